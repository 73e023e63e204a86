"""Households, people and devices as rows, and devices that ask to be claimed."""

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.plugin_cast import csr_make

if TYPE_CHECKING:
    from households.models import Membership
    from protocol.enrollment import Authorization


def homes_make(count: int, *, devices_each: int = 0, adults_each: int = 1) -> "list[Membership]":
    """So many households, each with an owner and devices. The adults of all of them, those of one together."""
    from django_scopes import scopes_disabled

    from devices.models import Device, DevicePresence, Room
    from households.models import Household, Membership, User

    people = []
    with scopes_disabled():
        for home in range(count):
            household = Household.objects.create(name=f"Home {home}")
            for number in range(adults_each):
                user = User.objects.create(
                    email=f"person{number}@home{home}.example", name=f"Person {number}"
                )
                role = "adult" if number else "owner"
                people.append(Membership.objects.create(user=user, household=household, role=role))
            room = Room.objects.create(household=household, name="Kitchen")
            devices = Device.objects.bulk_create(
                Device(**_device(household, room, number)) for number in range(devices_each)
            )
            DevicePresence.objects.bulk_create(DevicePresence(device=device) for device in devices)
    return people


def _device(household: object, room: object, number: int) -> dict[str, object]:
    from common.clock import now

    return {
        "household": household,
        "room": room,
        "name": f"Speaker {number}",
        "model": "Hearthline speaker",
        "serial": secrets.token_hex(8),
        "fingerprint_sha256": secrets.token_hex(32),
        "claimed_at": now() - timedelta(days=number),
    }


def device_asks() -> "Authorization":
    """A device of its own kind shows its codes."""
    from devices.claiming.authorization import authorization_start
    from protocol.enrollment import AuthorizationRequest

    request = AuthorizationRequest(
        csr_pem=csr_make(ec.generate_private_key(ec.SECP256R1())),
        model="Hearthline speaker",
        serial=secrets.token_hex(8),
    )
    return authorization_start(request=request, base_url="http://localhost")


def secret_of(codes: "Authorization") -> str:
    """What the QR code says."""
    return secret_in(codes.model_dump())


def secret_in(codes: dict[str, Any]) -> str:
    """The same, of an answer that came over HTTP."""
    link: str = codes["verification_uri_complete"]
    return link.split("#s=")[1].split("&", maxsplit=1)[0]
