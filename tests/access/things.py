"""One of each thing of Anna's household, and the questions that the matrix asks about them."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.test import Client
from django_scopes import scope, scopes_disabled

from announcements.services import announcement_send
from calls.models import Call
from common.clock import now
from common.speech_models import CATALOGUE
from config.access_table import ADDRESSES
from devices.gate import Row, Who
from devices.life.transfers import transfer_create
from devices.models import Device, Loan, Transfer
from devices.sharing.rights import LENT_BY
from households.models import Membership, User
from households.people.invitations import invitation_create
from households.roles import Permission, Role, allows
from households.services import api_token_create
from protocol.base import Message
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast, loan_make

# What a session asks for. Operators and devices come with tokens; allauth's own addresses are the same for everybody.
ROWS = [
    (route, method, row)
    for route, methods in ADDRESSES.items()
    for method, row in methods.items()
    if row not in (Who.OPERATOR, Who.TOKEN) and not route.startswith("accounts/") and method != "OPTIONS"
]


@dataclass(frozen=True)
class Somebody:
    """A role; and of a guest what is lent to them."""

    role: Role
    lent: frozenset[Permission] = frozenset()

    def may(self, row: Row) -> bool:
        """What the table says of them, for a device that is lent to them."""
        if isinstance(row, Who):
            return True
        if isinstance(row, Permission):
            return allows(self.role, row)
        is_lent = row.right in self.lent or (row.right is Permission.DEVICES_SEE and bool(self.lent))
        return allows(self.role, row.right) or is_lent


GUEST_WITH_LOAN = Somebody(Role.GUEST, frozenset(LENT_BY))
PEOPLE = (
    Somebody(Role.GUEST),
    *(Somebody(Role.GUEST, frozenset({right})) for right in LENT_BY),
    GUEST_WITH_LOAN,
    Somebody(Role.CHILD),
    Somebody(Role.ADULT),
    Somebody(Role.OWNER),
)


@dataclass(frozen=True)
class Things:
    """One of each, of Anna's household."""

    ids: dict[str, UUID]

    def path(self, route: str) -> str:
        path = "/" + route.replace("<str:model_id>", CATALOGUE[0].id).replace("<int:pk>", "0")
        for prefix, public_id in self.ids.items():
            if route.startswith(prefix):
                path = path.replace("<uuid:public_id>", str(public_id))
        for part in ("loan", "token", "transfer"):  # of the device
            path = path.replace(f"<uuid:{part}_id>", str(self.ids[f"{part}s/"]))
        return path.replace("<uuid:delivery_id>", str(self.ids["calls/"]))


def things_make(cast: Cast) -> Things:
    """Of Anna's kitchen, her announcement there, and what others have to do with her household."""
    with scopes_disabled():
        call = Call.objects.create(
            household=cast.anna.household, device=cast.kitchen, state=CallState.ENDED, ended_at=now()
        )
        announcement = announcement_send(membership=cast.anna, text="Dinner.", devices=[cast.kitchen])
        loan = loan_make(cast.kitchen, cast.anna, can_talk=True)
        token, _ = api_token_create(membership=cast.ben, name="robot")
        invitation, _ = invitation_create(membership=cast.anna, role=Role.CHILD)
        gift, _ = transfer_create(membership=cast.anna, device=cast.kitchen)
        user = User.objects.create_user("dora@example.org", name="Dora")
        dora = Membership.objects.create(user=user, household=cast.anna.household, role=Role.ADULT)
        transfer = Transfer.objects.create(
            device=cast.cellar,
            token_hash="x",
            expires_at=now(),
            accepted_at=now(),
            to_household=cast.anna.household,
            to_name="Cellar",
        )
    return Things(
        {
            "coming/": transfer.public_id,
            "settings/tokens/": token.public_id,
            "api/v1/whip/": token.public_id,
            "people/invitations/": invitation.public_id,
            "people/": dora.public_id,
            "devices/": cast.kitchen.public_id,
            "loans/": loan.public_id,
            "tokens/": token.public_id,
            "transfers/": gift.public_id,
            "rooms/": cast.kitchen.room.public_id if cast.kitchen.room else cast.kitchen.public_id,
            "calls/": call.public_id,
            "announce/clips/": announcement.clip.public_id,
            "announce/": announcement.public_id,
        }
    )


def become(member: Membership, somebody: Somebody, device: Device) -> None:
    """From now on the member is that, and has the device lent where something is lent to them."""
    Membership.objects.filter(pk=member.pk).update(role=somebody.role)
    with scope(household=member.household):
        Loan.objects.filter(member=member).delete()
        if somebody.lent:
            loan_make(device, member, **{LENT_BY[right]: True for right in somebody.lent})


def browser_of(member: Membership) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(member.user, "django.contrib.auth.backends.ModelBackend")
    return client


def ask(client: Client, method: str, path: str) -> Any:
    """The client stays signed in as it was."""
    cookies = deepcopy(client.cookies)
    try:
        return client.generic(
            method,
            path,
            b"user_code=BCDFGHJKLM&text=Hello&name=x&household_name=x&time_zone=UTC&everywhere=on",
            content_type="application/x-www-form-urlencoded",
        )
    finally:
        client.cookies = cookies


def a_message(model: type[Message], id_: UUID) -> dict[str, Any]:
    """One that the hub can read, with the id wherever there is room for one."""
    known = {
        "text": "Hello.",
        "sdp": "v=0",
        "voice_id": "x",
        "candidate": "",
        "reason": "busy",
        "state": "played",
    }
    return {
        "type_": model.model_fields["type"].default,
        **{
            name: str(id_) if name.endswith("_id") and name != "voice_id" else known[name]
            for name, field in model.model_fields.items()
            if name != "type" and (field.is_required() or (name.endswith("_id") and name != "voice_id"))
        },
    }
