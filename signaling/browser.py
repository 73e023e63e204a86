"""`/ws/hub/`: a browser with a session, or a program with an API token."""

from uuid import UUID

from announcements.speech import voice_list
from calls.ending.carriers import calls_uncarried_end, carried_call_ended
from calls.ending.rights import call_ended_with_role
from calls.network.ice import ice_servers
from common.clock import now
from common.errors import DomainError, NotSignedIn
from common.push import apush, group_guest, group_household, group_members, group_user, group_worker
from devices.gate import OfDevice, Who, member_passes
from devices.sharing.over import loans_over
from devices.sharing.rights import loan_end_next
from households.access import SESSION_KEY, membership_for_user, membership_in, role_refusal, token_open
from households.accounts.credentials import (
    Credential,
    credential_membership,
    credential_successor,
    credential_user,
    session_data,
)
from households.models import Membership, User
from households.roles import ROLE_NOUNS, ROLE_YOURS, Permission, Role, allows
from households.selectors import role_news
from protocol.base import Message
from protocol.errors import CloseCode, ErrorCode
from protocol.messages.socket import Error, Hello, HelloAck
from protocol.messages.unions import parse_browser
from protocol.worker import LegClose
from signaling import handlers
from signaling.access_table import BROWSER, OWN_CONNECTION
from signaling.limits import IDLE_S
from signaling.member import MemberSocket

_SEE = OfDevice(Permission.DEVICES_SEE)
_CALL_ENDED = "Your call ended with it."
_AFTER_END_S = 0.05  # so that a loan has run out when its end is looked at


class BrowserConsumer(MemberSocket):
    """Says hello once, then every message goes to signaling.handlers."""

    idle_s = IDLE_S
    _can_see = False  # any device

    def parse(self, text: str) -> Message:
        return parse_browser(text)

    async def handle(self, message: Message) -> None:
        if isinstance(message, Hello):
            await self._hello(message)
        elif self.membership is None:
            await self.refuse(ErrorCode.NOT_SIGNED_IN, "Say hello first.", message.id)
        else:
            await self._gate(self.membership, message)
            await handlers.HANDLERS[type(message)](self, message)

    async def _gate(self, membership: Membership, message: Message) -> None:
        """Raises NotAllowed for what the table of access does not give to this member."""
        row = BROWSER.get(type(message))
        if row is Who.OWN:  # most messages: the handler finds the end that is the member's own
            return
        if row is None or not await self.query(member_passes, membership, row):
            raise role_refusal(membership)

    async def left(self) -> None:
        await self._leg_close()
        if self.membership is not None:
            for group in _groups(self.membership):
                await self.leave(group)

    async def _leg_close(self) -> None:
        if self.leg_worker_id:
            await apush(group_worker(self.leg_worker_id), LegClose(leg_id=self.leg_id))

    async def _hello(self, message: Hello) -> None:
        try:
            if self.membership is None:
                await self._let_in(*await self.query(self._identify, message))
        except DomainError as error:
            await self.refuse(error.wire_code, error.message, message.id)
            await self.close(CloseCode.NOT_SIGNED_IN)
            return
        await self.reply(await self.query(self._hello_ack, self.membership), message)
        await self.catch_up()

    async def _let_in(self, credential: Credential, membership: Membership) -> None:
        """Who a socket is, is settled once: its groups follow from it."""
        self.credential, self.membership, self.household = credential, membership, membership.household
        for group in _groups(membership):
            await self.enter(group)

    async def catch_up(self) -> None:
        """First of all, whether this is still a member: a hint may have been lost, or come too early to be heard."""
        await self.make_sure()
        if self.membership is not None and not self._is_out:
            for state in await self.query(handlers.present_states, self.membership):
                await self.reply(state)

    async def look_again(self) -> None:
        before, credential = self.membership, self.credential
        if before is None or credential is None or self._is_out:
            return
        try:
            # The end first: what runs out between the two reads is looked at at once.
            ends_at = await self.query(loan_end_next, before)
            membership: Membership = await self.query(self._member_now, credential, before)
        except NotSignedIn as refusal:
            if successor := await self.query(credential_successor, credential):
                self.credential = successor  # the same session under another name
                await self.look_again()
                return
            await self.query(calls_uncarried_end, user=before.user)
            await self._leg_close()
            had_call = await self.query(carried_call_ended, by=credential)
            words = f"{refusal.message}\n{_CALL_ENDED}" if had_call else refusal.message
            await self.turn_out(Error(code=refusal.wire_code, message=words), CloseCode.NOT_SIGNED_IN)
            return
        self.membership = membership
        await self._changed(before, membership)
        self._recheck.due((ends_at - now()).total_seconds() + _AFTER_END_S if ends_at else None)

    def _member_now(self, credential: Credential, before: Membership) -> Membership:
        """Raises NotSignedIn, also for a guest from whom the last thing that was lent was taken back."""
        membership = credential_membership(credential, before.household, before.user)
        could_see, self._can_see = self._can_see, member_passes(membership, _SEE)
        if could_see and not self._can_see:
            raise NotSignedIn(_farewell(membership, before), code=ErrorCode.NOT_ALLOWED)
        return membership

    async def _changed(self, before: Membership, membership: Membership) -> None:
        """Another role may hear of other things."""
        for group in set(_groups(before)) - set(_groups(membership)):
            await self.leave(group)
        for group in set(_groups(membership)) - set(_groups(before)):
            await self.enter(group)
        if not allows(membership.role, OWN_CONNECTION):
            await self._leg_close()
            self.leg_worker_id = ""

    def _identify(self, message: Hello) -> tuple[Credential, Membership]:
        """Raises NotSignedIn."""
        if message.token:
            token = token_open(message.token)
            if message.household_id not in (None, token.membership.household.public_id):
                raise NotSignedIn("This API token is for another home.")
            return Credential.of_token(token), token.membership
        key = self.scope["session"].session_key if self.scope.get("is_same_origin") else None
        credential = Credential.of_session(key or "")
        # Not scope["user"]: that was read when the socket was opened, perhaps long ago.
        user = credential_user(credential)
        membership = _membership(credential, user, message.household_id) if user else None
        if membership is None:
            raise NotSignedIn("Please sign in first.")
        return credential, membership

    def _hello_ack(self, membership: Membership) -> HelloAck:
        return HelloAck(
            household_id=membership.household.public_id,
            household_name=membership.household.name,
            voices=voice_list(membership.household.language),
            ice_servers=ice_servers(self.leg_id) if allows(membership.role, OWN_CONNECTION) else [],
        )


def _membership(credential: Credential, user: User, household_id: UUID | None) -> Membership | None:
    """A page is of one household for as long as it is open, whatever another tab has chosen since."""
    if household_id is not None:
        return membership_in(user, household_id)
    return membership_for_user(user, session_data(credential).get(SESSION_KEY))


def _farewell(membership: Membership, before: Membership) -> str:
    """To a guest: what is so now, and in a second line how it came, or what it means."""
    home = membership.household.name
    if membership.role != before.role:
        role = Role(membership.role)
        what, means = role_news(membership) or (
            f"You are {ROLE_NOUNS[role]} in {home} now.",
            ROLE_YOURS[role],
        )
        return f"{what}\n{'Your call ended. ' if call_ended_with_role(membership) else ''}{means}"
    words = [f"Nothing is lent to you in {home} any more."]
    return "\n".join(words + [one.words for one in loans_over(membership)[:1]])


def _groups(membership: Membership) -> tuple[str, ...]:
    """Whoever may not see all devices must not hear of them either."""
    home = membership.household.public_id
    is_guest = not allows(membership.role, Permission.DEVICES_SEE)
    pages = group_guest(membership.public_id) if is_guest else group_household(home)
    return pages, group_members(home), group_user(membership.user.public_id)
