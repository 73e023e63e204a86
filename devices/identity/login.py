"""Which keys stand for a device: at its login, and in the encryption of its calls."""

from contextlib import suppress
from uuid import UUID

from django.core.cache import cache
from django.db import DatabaseError
from django_scopes import scope, scopes_disabled
from redis.exceptions import RedisError

from devices.identity.certificates import authority_get, authority_sign, signature_is_valid
from devices.identity.keys import device_key_change
from devices.models import Device, DeviceKind
from households.record.audit import AuditKind, audit_note
from protocol.identity import HubWord, answer_text, fingerprints, hub_text, login_text
from protocol.messages.connection import WebrtcAnswer, WebrtcOffer
from protocol.messages.socket import DeviceHello

# Whoever holds a device could else fill the record with what it refuses, or is refused, in one call.
REFUSED_ONCE_IN_S = 3600


def device_keys(device: Device) -> frozenset[str] | None:
    """Fingerprints (SHA-256 of the SubjectPublicKeyInfo, hex); None: it is known by no key, but by its token.

    Both where it has a next one. Nobody's once it belongs to nobody.
    """
    if device.is_foreign:
        return None
    keys = (device.fingerprint_sha256, device.next_fingerprint_sha256)
    return frozenset() if device.revoked_at else frozenset(key for key in keys if key)


def login_key(device: Device, *, epoch: int | None) -> str | None:
    """The key (PEM) that proves a login of this epoch; None: no key does.

    An agent that knows no epochs is of the first one, and cannot have changed its key.
    """
    if (epoch or 1) == device.claim_epoch + 1:
        return device.next_public_key_pem or None
    return device.public_key_pem if (epoch or 1) == device.claim_epoch else None


def login_prove(*, hello: DeviceHello, nonce: str) -> Device | None:
    """The device that made the signature, for this hub and this nonce; also one that was revoked. None: no proof.

    With its next key it changes the key.
    """
    with scopes_disabled():
        device = Device.objects.select_related("household").filter(public_id=hello.device_id).first()
    if device is None or device.is_foreign or not nonce:
        return None
    text = login_text(
        nonce=nonce, hub_id=authority_get().hub_id, device_id=str(hello.device_id), epoch=hello.epoch
    )
    key = login_key(device, epoch=hello.epoch)
    if key is None or not signature_is_valid(public_key_pem=key, signature=hello.signature, text=text):
        return None
    if device.revoked_at or (hello.epoch or 1) == device.claim_epoch:
        return device
    with scope(household=device.household):
        return device_key_change(device=device)


def login_lost(*, hello: DeviceHello) -> Device | None:
    """The removed device that this hello names, with a key that the hub does not know: it was restored from a backup
    that is older than the key, or the device from a copy of its memory card.

    Nothing proves who says it. So it may hear that the device was removed, and nothing else.
    """
    with scopes_disabled():
        removed = Device.objects.exclude(revoked_at=None).exclude(kind=DeviceKind.FOREIGN)
        device = removed.filter(public_id=hello.device_id).first()
    return device if device is not None and login_key(device, epoch=hello.epoch) is None else None


def login_unknown(*, hello: DeviceHello) -> bool:
    """Whether no row was ever made for this id, or none is left: the device was claimed after the backup was made."""
    with scopes_disabled():
        return not Device.objects.filter(public_id=hello.device_id).exists()


def hub_proof(*, word: HubWord, device_id: UUID, nonce: str | None) -> str | None:
    """The hub's answer to the nonce of a device's hello. None where it sent none."""
    return (
        None if nonce is None else authority_sign(hub_text(word=word, device_id=str(device_id), nonce=nonce))
    )


def answer_proof(*, device: Device, answer: WebrtcAnswer, offer: WebrtcOffer) -> str | None:
    """The hub's word that this answer is to this offer, with these certificates. None where one of them names none."""
    try:
        text = answer_text(
            device_id=str(device.public_id),
            call_id=str(answer.call_id),
            request_id=answer.reply_to or "",
            offered=fingerprints(offer.sdp),
            answered=fingerprints(answer.sdp),
        )
    except ValueError:
        return None
    return authority_sign(text)


def device_answer_refused(*, device: Device, call_id: UUID) -> None:
    """What the hub answered was changed on its way to the device, or its offer on its way here."""
    _refusal_note(device, AuditKind.ANSWER_REFUSED, call_id)


def device_key_refused(*, device: Device, call_id: UUID) -> None:
    """Somebody connected in its name, with another key."""
    _refusal_note(device, AuditKind.FINGERPRINT_REFUSED, call_id)


def _refusal_note(device: Device, kind: AuditKind, call_id: UUID) -> None:
    """Once an hour for each call. Rather twice than not at all, while Redis is away."""
    key = f"{kind}:{call_id}:{device.pk}"
    try:
        is_new = cache.add(key, 1, timeout=REFUSED_ONCE_IN_S)
    except (RedisError, OSError):
        is_new = True
    if not is_new:
        return
    try:
        audit_note(device.household, kind, device=device.name)
    except DatabaseError:
        with suppress(RedisError, OSError):
            cache.delete(key)  # whoever tells of it tries again
        raise
