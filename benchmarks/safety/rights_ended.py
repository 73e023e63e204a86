"""What takes away a right, in the middle of a call: how one person, program, guest or device comes and goes.

Each deed is done by a page of the hub, or by the service that its page calls, against the database and the Redis that
the real web process and worker look at. `prepare` brings everything back for the next trial.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from devices.models import Device, Loan
    from households.models import ApiToken, Household, Membership, User

_MEMORY_S = 3600


@dataclass
class Slot:
    """One caller and one device, which have their trials one after the other."""

    number: int
    household: "Household"
    owner: "Membership"
    user: "User"
    device: "Device"
    key: "EllipticCurvePrivateKey"
    membership: "Membership | None" = None
    client: Any = None  # a signed-in browser
    token: "ApiToken | None" = None
    words: str = ""  # of the token
    loan: "Loan | None" = None
    elsewhere: Any = None  # another browser of the same person
    session: int = 0  # of `client`, as the page of sessions names it
    link: str = ""  # its secret, for whoever takes the device over
    password: str = "a long enough password"
    taker: "Membership | None" = None  # an owner of another household

    @property
    def cookie(self) -> str:
        cookies = self.client.cookies if self.client is not None and not self.words else {}
        return "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())


@dataclass(frozen=True)
class Ending:
    """`is_device_out`: the socket that has to close is the device's."""

    name: str
    prepare: Callable[[Slot], None]
    deed: Callable[[Slot], None]
    is_device_out: bool = False


def slot_make(owner: "Membership", taker: "Membership", number: int) -> Slot:
    """With an owner of its own, since each of them makes so many links in an hour and no more."""
    from households.models import Membership, User
    from tests.plugin_cast import device_make

    user, by = (
        User.objects.create_user(f"{name}{number}@example.org", Slot.password, name=f"{name}{number}")
        for name in ("caller", "owner")
    )
    own = Membership.objects.create(user=by, household=owner.household, role="owner")
    device, key = device_make(own, f"Speaker {number}", f"Room {number}")
    return Slot(number, owner.household, own, user, device, key, taker=taker)


def _member(slot: Slot, role: str = "adult") -> None:
    from common.clock import now
    from households.models import Membership

    slot.membership, _ = Membership.objects.update_or_create(
        user=slot.user, household=slot.household, defaults={"role": role, "consented_at": now()}
    )


def _signed_in(slot: Slot) -> None:

    _member(slot)
    slot.user.refresh_from_db()
    slot.client, slot.words = _browser(slot), ""


def _browser(slot: Slot) -> Any:
    from django.test import Client

    browser = Client()
    browser.force_login(slot.user, "django.contrib.auth.backends.ModelBackend")
    return browser


def _with_another_browser(slot: Slot) -> None:
    from allauth.usersessions.models import UserSession

    _signed_in(slot)
    slot.client.get("/settings/")  # which notes the session
    slot.session = UserSession.objects.filter(user=slot.user).latest("pk").pk
    slot.elsewhere = _browser(slot)


def _with_token(slot: Slot) -> None:
    from households.services import api_token_create

    _member(slot)
    assert slot.membership is not None
    slot.token, slot.words = api_token_create(membership=slot.membership, name="trial")


def _guest(slot: Slot) -> None:
    from common.clock import now
    from devices.sharing.loans import loan_create
    from households.roles import Permission

    _new_device(slot)
    _member(slot, "guest")
    slot.loan, _ = loan_create(
        membership=slot.owner,
        device=slot.device,
        rights={Permission.CALL, Permission.DROP_IN},
        starts_at=now(),
        ends_at=now() + timedelta(seconds=_MEMORY_S),
        to=slot.membership,
    )


def _new_device(slot: Slot) -> None:
    from tests.plugin_cast import device_make

    _signed_in(slot)
    if slot.device.revoked_at is not None:
        slot.device, slot.key = device_make(slot.owner, f"Speaker {slot.number}", f"Room {slot.number}")


def _sign_out(slot: Slot) -> None:
    assert slot.client.post("/accounts/logout/").status_code == 302


def _new_password(slot: Slot) -> None:
    new = f"a password like {uuid4().hex}"
    fields = {"oldpassword": slot.password, "password1": new, "password2": new}
    # From an address of its own each time: of one no more than ten come through in a minute.
    address = f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"
    answer = slot.elsewhere.post("/accounts/password/change/", fields, REMOTE_ADDR=address)
    assert answer.status_code == 302, answer.content
    slot.password = new


def _session_ended(slot: Slot) -> None:
    assert slot.elsewhere.post(f"/settings/you/sessions/{slot.session}/end/").status_code == 302


def _removed(slot: Slot) -> None:
    from households.people.members import member_remove

    assert slot.membership is not None
    member_remove(member=slot.membership, by=slot.owner)


def _made_a_guest(slot: Slot) -> None:
    from households.people.members import role_change
    from households.roles import Role

    assert slot.membership is not None
    role_change(member=slot.membership, role=Role.GUEST, by=slot.owner)


def _token_revoked(slot: Slot) -> None:
    from households.services import api_token_revoke

    assert slot.membership is not None
    assert slot.token is not None
    api_token_revoke(membership=slot.membership, public_id=str(slot.token.public_id))


def _device_removed(slot: Slot) -> None:
    from devices.services import device_remove

    device_remove(membership=slot.owner, device=slot.device)
    slot.device.refresh_from_db()


def _link_made(slot: Slot) -> None:
    """The right ends when somebody takes the device over, not when the link is made."""
    from devices.life.transfers import transfer_create

    _new_device(slot)
    _, slot.link = transfer_create(membership=slot.owner, device=slot.device)


def _given_away(slot: Slot) -> None:
    from devices.life.transfers import transfer_accept, transfer_find

    assert slot.taker is not None
    transfer = transfer_find(token=slot.link)
    transfer_accept(transfer=transfer, membership=slot.taker, name="Taken", room=None, is_auto_answer=True)
    slot.device.refresh_from_db()


def _loan_ended(slot: Slot) -> None:
    from devices.sharing.loans import loan_end

    assert slot.loan is not None
    loan_end(loan=slot.loan, by=slot.owner.user)


ENDINGS: dict[str, Ending] = {
    "S4.logout": Ending("signed out", _signed_in, _sign_out),
    "S4.password": Ending("another password", _with_another_browser, _new_password),
    "S4.session": Ending("session ended from another browser", _with_another_browser, _session_ended),
    "S4.role": Ending("made a guest", _signed_in, _made_a_guest),
    "S4.removed": Ending("removed from the household", _signed_in, _removed),
    "S4.token": Ending("API token revoked", _with_token, _token_revoked),
    "S4.device": Ending("device removed", _new_device, _device_removed, is_device_out=True),
    "S4.given": Ending("device given away", _link_made, _given_away, is_device_out=True),
    "S4.guest": Ending("loan of a guest ended", _guest, _loan_ended),
}
