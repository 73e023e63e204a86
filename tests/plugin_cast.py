"""A pytest plugin with the permanent cast: Anna owns household A, Ben belongs to it, Carla lives in B.

Each household has a device whose key the test holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.test import Client

    from devices.models import AccessRule, Device, Loan, Room
    from households.models import Membership

PASSWORD = "a long enough password"


def csr_make(key: ec.EllipticCurvePrivateKey | None = None, name: str = "SN-1") -> str:
    """A signing request as the agent makes one, PEM."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Cast:
    """Rows of the two households. Types are quoted: Django's models load after this plugin."""

    anna: "Membership"
    ben: "Membership"
    carla: "Membership"
    kitchen: "Device"
    cellar: "Device"
    keys: "dict[int, ec.EllipticCurvePrivateKey]"


@pytest.fixture
def cast() -> Cast:
    """Needs the mark django_db."""
    from django_scopes import scopes_disabled

    with scopes_disabled():
        return _cast_make()


@pytest.fixture
def no_scope() -> Iterator[None]:
    """Of all households at once, for a whole test."""
    from django_scopes import scopes_disabled

    with scopes_disabled():
        yield


@pytest.fixture
def no_owner_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another test's owner is remembered for good, as on a real hub, where owners do not go away."""
    from households.middleware import HouseholdMiddleware

    original = HouseholdMiddleware._without_member

    def without_member(middleware: HouseholdMiddleware, request: "HttpRequest") -> "HttpResponse":
        middleware._has_owner = False
        return original(middleware, request)

    monkeypatch.setattr(HouseholdMiddleware, "_without_member", without_member)


def _cast_make() -> Cast:
    from common.clock import now
    from households.models import Household, Membership, User

    members = []
    for name, home, role in (
        ("Anna", "Lake House", "owner"),
        ("Ben", "Lake House", "child"),
        ("Carla", "Mill", "owner"),
    ):
        household, _ = Household.objects.get_or_create(name=home)
        user = User.objects.create_user(f"{name.lower()}@example.org", PASSWORD, name=name)
        members.append(
            Membership.objects.create(user=user, household=household, role=role, consented_at=now())
        )
    anna, ben, carla = members
    keys: dict[int, ec.EllipticCurvePrivateKey] = {}
    kitchen, keys_a = device_make(anna, "Kitchen speaker", "Kitchen")
    cellar, keys_b = device_make(carla, "Cellar speaker", "Cellar")
    keys[kitchen.pk], keys[cellar.pk] = keys_a, keys_b
    return Cast(anna, ben, carla, kitchen, cellar, keys)


def device_make(member: "Membership", name: str, room: str) -> "tuple[Device, ec.EllipticCurvePrivateKey]":
    """Claimed the way every device is claimed."""
    from devices.claiming.authorization import authorization_poll, authorization_start
    from devices.claiming.confirmation import authorization_confirm, authorization_find
    from devices.services import room_get_or_create
    from protocol.enrollment import AuthorizationRequest

    key = ec.generate_private_key(ec.SECP256R1())
    request = AuthorizationRequest(csr_pem=csr_make(key), model="Test speaker", serial=f"SN {name}")
    codes = authorization_start(request=request, base_url="http://localhost")
    found = authorization_find(membership=member, user_code=codes.user_code)
    device = authorization_confirm(
        membership=member,
        authorization=found,
        name=name,
        room=room_get_or_create(household=member.household, name=room),
        is_auto_answer=True,
    )
    authorization_poll(device_code=codes.device_code)
    return device, key


def device_go_online(device: "Device", channel: str = "test-channel") -> None:
    from devices.presence import presence_connect

    presence_connect(device=device, channel_name=channel, agent_version="1")
    device.refresh_from_db()


def browser_of(member: "Membership") -> "Client":
    """A browser in which this member is signed in."""
    from django.test import Client

    client = Client()
    client.force_login(member.user, "django.contrib.auth.backends.ModelBackend")
    return client


def guest_make(cast: Cast) -> "Membership":
    """Gil, a guest of household A since long, to whom nothing is lent yet."""
    from common.clock import now
    from households.models import Membership, User

    user = User.objects.create_user("gil@example.org", PASSWORD, name="Gil")
    gil = Membership.objects.create(
        user=user, household=cast.anna.household, role="guest", consented_at=now()
    )
    gil.updated_at = now() - timedelta(days=30)
    Membership.objects.filter(pk=gil.pk).update(updated_at=gil.updated_at)
    return gil


def rule_make(right: str, *members: "Membership", **where: "Device | Room | None") -> "AccessRule":
    """Needs the household's scope. `where`: device or room."""
    from devices.models import AccessRule

    place = next(iter(where.values()))
    assert place is not None
    rule = AccessRule.objects.create(household=place.household, right=right, **where)
    rule.members.set(members)
    return rule


def loan_make(device: "Device", member: "Membership", **what: object) -> "Loan":
    """From an hour ago until in an hour. Needs the household's scope. `what`: can_talk=True and the like."""
    from common.clock import now
    from devices.models import Loan

    hour = timedelta(hours=1)
    times = {"starts_at": now() - hour, "ends_at": now() + hour}
    return Loan.objects.create(household=member.household, device=device, member=member, **times | what)
