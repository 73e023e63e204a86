"""`/ws/hub/`: a browser with a session, or a program with an API token."""

from announcements.speech import voice_list
from calls.ice import ice_servers
from common.errors import DomainError, NotAllowed
from common.push import apush, group_household, group_worker
from devices.gate import Who, member_passes
from households.access import membership_for_token, membership_for_user
from households.middleware import SESSION_KEY
from households.models import Membership, User
from protocol.base import Message
from protocol.errors import CloseCode, ErrorCode
from protocol.messages import Hello, HelloAck, parse_browser
from protocol.worker import LegClose
from signaling import handlers
from signaling.access_table import BROWSER
from signaling.limits import IDLE_S
from signaling.member import MemberSocket


class BrowserConsumer(MemberSocket):
    """Says hello once, then every message goes to signaling.handlers."""

    idle_s = IDLE_S

    def parse(self, text: str) -> Message:
        return parse_browser(text)

    async def handle(self, message: Message) -> None:
        if isinstance(message, Hello):
            await self._hello(message)
        elif self.membership is None:
            await self.refuse(ErrorCode.NOT_SIGNED_IN, "Say hello first.", message.id)
        else:
            await self._gate(message)
            await handlers.HANDLERS[type(message)](self, message)

    async def _gate(self, message: Message) -> None:
        """Raises NotAllowed for what the table of access does not give to this member."""
        row = BROWSER.get(type(message))
        if row is Who.OWN:  # most messages: the handler finds the end that is the member's own
            return
        if row is None or not await self.query(member_passes, self.membership, row):
            raise NotAllowed("Your role in this household does not allow that.")

    async def left(self) -> None:
        if self.leg_worker_id:
            await apush(group_worker(self.leg_worker_id), LegClose(leg_id=self.leg_id))
        if self.household is not None:
            await self.channel_layer.group_discard(
                group_household(self.household.public_id), self.channel_name
            )

    async def _hello(self, message: Hello) -> None:
        try:
            # Who a socket is, is settled once: its groups follow from it.
            membership = self.membership or await self.query(self._identify, message)
        except DomainError as error:
            await self.refuse(error.wire_code, error.message, message.id)
            await self.close(CloseCode.NOT_SIGNED_IN)
            return
        if membership is None:
            await self.refuse(ErrorCode.NOT_SIGNED_IN, "Please sign in first.", message.id)
            await self.close(CloseCode.NOT_SIGNED_IN)
            return
        if self.membership is None:
            self.membership, self.household = membership, membership.household
            await self.channel_layer.group_add(
                group_household(membership.household.public_id), self.channel_name
            )
        await self.reply(await self.query(self._hello_ack, membership), message)
        await self.catch_up()

    async def catch_up(self) -> None:
        if self.membership is not None:
            for state in await self.query(handlers.present_states, self.membership):
                await self.reply(state)

    def _identify(self, message: Hello) -> Membership | None:
        if message.token:
            return membership_for_token(message.token)
        user = self.scope.get("user")
        if not isinstance(user, User) or not self.scope.get("is_same_origin"):
            return None
        return membership_for_user(user, self.scope["session"].get(SESSION_KEY))

    def _hello_ack(self, membership: Membership) -> HelloAck:
        return HelloAck(
            household_id=membership.household.public_id,
            household_name=membership.household.name,
            voices=voice_list(membership.household.language),
            ice_servers=ice_servers(self.leg_id),
        )
