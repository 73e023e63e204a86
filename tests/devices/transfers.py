"""A device is given, taken over, and comes."""

from cryptography.hazmat.primitives.asymmetric import ec

from devices.claiming.authorization import authorization_start
from devices.identity.certificates import fingerprint
from devices.life.transfers import transfer_accept, transfer_create, transfer_find
from devices.models import Device, Transfer
from households.models import Membership
from households.record.audit import audit_list, audit_sentence
from protocol.enrollment import Authorization, AuthorizationRequest
from protocol.identity import transfer_text
from tests.plugin_cast import Cast, csr_make
from tests.signaling.sockets import sign


def give(cast: Cast) -> str:
    return transfer_create(membership=cast.anna, device=cast.kitchen)[1]


def accept(cast: Cast, token: str, member: Membership | None = None) -> Transfer:
    return transfer_accept(
        transfer=transfer_find(token=token),
        membership=member or cast.carla,
        name="Mill speaker",
        room=None,
        is_auto_answer=True,
    )


def come(
    cast: Cast,
    code: str | None,
    key: ec.EllipticCurvePrivateKey | None = None,
    *,
    old: ec.EllipticCurvePrivateKey | None = None,
) -> Authorization:
    """The device, with its new key, which the old one signed."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    text = transfer_text(fingerprint=fingerprint(key.public_key()), code=code or "")
    request = AuthorizationRequest(
        csr_pem=csr_make(key),
        model="Test speaker",
        serial="SN-7",
        transfer_code=code or "",
        transfer_proof=sign(old or cast.keys[cast.kitchen.pk], text),
    )
    return authorization_start(request=request, base_url="http://hub")


def sentences(member: Membership) -> list[str]:
    return [audit_sentence(entry) for entry in audit_list(member.household)]


def kitchen(cast: Cast) -> Device:
    return Device.objects.get(pk=cast.kitchen.pk)
