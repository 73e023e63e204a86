"""What takes away a right, in the middle of a call: how one person, program, guest or device comes and goes.

Each deed is done as the hub's own pages do it, against the database and the Redis that the real web process and worker
look at. `prepare` brings everything back for the next trial.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

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
    passwords: int = field(default=0)

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


def slot_make(owner: "Membership", number: int) -> Slot:
    from households.models import User
    from tests.plugin_cast import device_make

    user = User.objects.create_user(
        f"caller{number}@example.org", "a long enough password", name=f"C{number}"
    )
    device, key = device_make(owner, f"Speaker {number}", f"Room {number}")
    return Slot(number, owner.household, owner, user, device, key)


def _member(slot: Slot, role: str = "adult") -> None:
    from common.clock import now
    from households.models import Membership

    slot.membership, _ = Membership.objects.update_or_create(
        user=slot.user, household=slot.household, defaults={"role": role, "consented_at": now()}
    )


def _signed_in(slot: Slot) -> None:
    from django.test import Client

    _member(slot)
    slot.user.refresh_from_db()
    slot.client, slot.words = Client(), ""
    slot.client.force_login(slot.user, "django.contrib.auth.backends.ModelBackend")


def _with_token(slot: Slot) -> None:
    from households.services import api_token_create

    _member(slot)
    assert slot.membership is not None
    slot.token, slot.words = api_token_create(membership=slot.membership, name="trial")


def _guest(slot: Slot) -> None:
    from common.clock import now
    from devices.models import Loan

    _new_device(slot)
    _member(slot, "guest")
    slot.loan = Loan.objects.create(
        household=slot.household,
        device=slot.device,
        member=slot.membership,
        can_talk=True,
        can_listen=True,
        starts_at=now(),
        ends_at=now() + timedelta(seconds=_MEMORY_S),
    )


def _new_device(slot: Slot) -> None:
    from tests.plugin_cast import device_make

    _signed_in(slot)
    if slot.device.revoked_at is not None:
        slot.device, slot.key = device_make(slot.owner, f"Speaker {slot.number}", f"Room {slot.number}")


def _sign_out(slot: Slot) -> None:
    assert slot.client.post("/accounts/logout/").status_code == 302


def _new_password(slot: Slot) -> None:
    slot.passwords += 1
    slot.user.set_password(f"password number {slot.passwords}")
    slot.user.save()


def _removed(slot: Slot) -> None:
    from households.people.members import member_remove

    assert slot.membership is not None
    member_remove(member=slot.membership, by=slot.owner)


def _token_revoked(slot: Slot) -> None:
    from households.services import api_token_revoke

    assert slot.membership is not None
    assert slot.token is not None
    api_token_revoke(membership=slot.membership, public_id=str(slot.token.public_id))


def _device_removed(slot: Slot) -> None:
    from devices.services import device_unclaim

    device_unclaim(device=slot.device)
    slot.device.refresh_from_db()


def _loan_ended(slot: Slot) -> None:
    from django.db import transaction

    from common.clock import now
    from devices.models import Loan
    from households.events import rights_changed

    assert slot.loan is not None
    with transaction.atomic():
        Loan.objects.filter(pk=slot.loan.pk).update(ended_at=now())
        rights_changed.send(sender=Loan, household=slot.household, user=slot.user)


ENDINGS: dict[str, Ending] = {
    "S4.logout": Ending("signed out", _signed_in, _sign_out),
    "S4.password": Ending("another password", _signed_in, _new_password),
    "S4.removed": Ending("removed from the household", _signed_in, _removed),
    "S4.token": Ending("API token revoked", _with_token, _token_revoked),
    "S4.device": Ending("device removed", _new_device, _device_removed, is_device_out=True),
    "S4.guest": Ending("loan of a guest ended", _guest, _loan_ended),
}
