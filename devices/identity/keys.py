"""The life of a claimed device's key: certificates for it, and one day another key.

A certificate is given again to a device that asks again: the answer may have been lost, or the power.
"""

from datetime import timedelta

from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction
from django_scopes import scopes_disabled

from common.clock import now
from common.errors import Conflict, NotAllowed, NotFound, TooMany
from common.push import group_device, push_on_commit, recheck_on_commit
from common.words import moment_words
from devices.identity.certificates import (
    SigningRequest,
    authority_get,
    certificate_sign,
    csr_check,
    signature_is_valid,
)
from devices.models import Device, DeviceCertificate
from households.access import need
from households.models import Membership
from households.record.audit import AuditKind, audit_note
from households.roles import Permission
from protocol.certificates import Certificate, KeyWanted, renew_at
from protocol.identity import next_key_text

KEY_USED = "This device belongs to a home already, or did with the key that it has. Reset it: then it shows a new code."
# A device counts the time until then by a clock of its own.
EARLY = timedelta(hours=1)
# A device makes one for each wish, and another one where its power went before it used that.
NEXT_KEYS_MOST, NEXT_KEYS_IN = 50, timedelta(days=1)


def certificate_issue(*, device: Device, request: SigningRequest) -> DeviceCertificate:
    certificate = certificate_sign(request=request, device_id=device.public_id)
    return DeviceCertificate.objects.create(
        device=device,
        serial_number=f"{certificate.serial_number:x}",
        fingerprint_sha256=request.fingerprint_sha256,
        certificate_pem=certificate.public_bytes(Encoding.PEM).decode(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def certificate_request(*, device: Device, csr_pem: str, proof: str | None = None) -> Certificate:
    """The answer to a device that has logged in: for its key, or for the next one where one is wanted.

    `proof`: of the next key, by the one before it. Locks the device. Raises Invalid for what is no CSR, NotAllowed for
    another key, NotFound once it is removed, TooMany for a device that makes keys without end.
    """
    request = csr_check(csr_pem)
    with transaction.atomic():
        device = _device_lock(device)
        is_next = request.fingerprint_sha256 != device.fingerprint_sha256
        if is_next:
            _next_key_set(device, request, proof or "")
        row = _certificate_fresh(device, request)
        if row is None:
            row = certificate_issue(device=device, request=request)
            if not is_next:
                until = moment_words(row.not_after, device.household.time_zone)
                audit_note(device.household, AuditKind.RENEWED, device=device.name, until=until)
    return Certificate(
        certificate_pem=row.certificate_pem,
        ca_pem=authority_get().certificate_pem,
        epoch=device.claim_epoch + is_next,
    )


def certificate_used(*, device: Device, serial_number: str) -> None:
    """The device has it on its disk: those before it will not be seen again.

    One that is not known says nothing: the hub may have been restored from a backup. Raises NotFound.
    """
    with transaction.atomic():
        device = _device_lock(device)
        rows = DeviceCertificate.objects.filter(device=device, revoked_at=None)
        used = rows.filter(serial_number=serial_number).first()
        if used is not None:
            rows.filter(pk__lt=used.pk, superseded_at=None).update(superseded_at=now())


def _device_lock(device: Device) -> Device:
    rows = Device.objects.select_for_update(of=("self",)).select_related("household")
    locked = rows.filter(pk=device.pk, revoked_at=None).first()
    if locked is None:
        raise NotFound("This device was removed from its home.")
    return locked


def _certificate_fresh(device: Device, request: SigningRequest) -> DeviceCertificate | None:
    """The newest for this key, unless its time to be renewed has come."""
    rows = DeviceCertificate.objects.filter(device=device, revoked_at=None)
    newest = rows.filter(fingerprint_sha256=request.fingerprint_sha256).order_by("pk").last()
    if newest is None or renew_at(newest.not_before, newest.not_after) - EARLY <= now():
        return None
    return newest


def device_key_ask(*, membership: Membership, device: Device) -> None:
    """The device makes another key: now, where it is online, else when it is back. Raises Conflict, NotAllowed."""
    need(membership, Permission.DEVICES_MANAGE)
    if device.is_foreign:
        raise Conflict("This device has no key of its own. Make it a new token instead.")
    with transaction.atomic():
        asked = Device.objects.filter(pk=device.pk, revoked_at=None, key_wanted_at=None)
        if asked.update(key_wanted_at=now()):
            push_on_commit(group_device(device.public_id), KeyWanted())
            audit_note(device.household, AuditKind.KEY_ASKED, actor=membership.user, device=device.name)


def device_key_is_wanted(*, device: Device) -> bool:
    return Device.objects.filter(pk=device.pk, revoked_at=None).exclude(key_wanted_at=None).exists()


def device_epoch(*, device: Device) -> int | None:
    """Of the key that it has now; None once it belongs to nobody."""
    return Device.objects.filter(pk=device.pk, revoked_at=None).values_list("claim_epoch", flat=True).first()


def device_key_change(*, device: Device) -> Device:
    """It has logged in with its next key, which is its key from now on; the one before lets nobody in any more.

    Raises Conflict where another login did it, or the next key is another one by now.
    """
    with transaction.atomic():
        changed = _device_lock(device)
        key = changed.next_fingerprint_sha256
        if not key or key != device.next_fingerprint_sha256:
            raise Conflict("The key of this device was changed a moment ago.")
        changed.fingerprint_sha256, changed.public_key_pem = key, changed.next_public_key_pem
        changed.next_fingerprint_sha256 = changed.next_public_key_pem = ""
        changed.claim_epoch += 1
        changed.key_wanted_at = None
        changed.save()
        others = DeviceCertificate.objects.filter(device=device, revoked_at=None).exclude(
            fingerprint_sha256=key
        )
        others.update(revoked_at=now())
        recheck_on_commit(group_device(device.public_id))
        audit_note(device.household, AuditKind.KEY_CHANGED, device=device.name)
    return changed


def key_was_used(fingerprint_sha256: str) -> bool:
    """Whether it is, was or is about to be the key of a device, in whatever household.

    Somebody may have a copy of a key that was used: whoever gets a device gets one that nobody has.
    """
    with scopes_disabled():
        return (
            Device.objects.filter(fingerprint_sha256=fingerprint_sha256).exists()
            or Device.objects.filter(next_fingerprint_sha256=fingerprint_sha256).exists()
            or DeviceCertificate.objects.filter(fingerprint_sha256=fingerprint_sha256).exists()
        )


def _next_key_set(device: Device, request: SigningRequest, proof: str) -> None:
    """Raises NotAllowed for a key that nobody wants, that the device did not sign, or that was anybody's before.

    Raises TooMany, too: whoever holds a device could fill the table while a key is wanted.
    """
    key = request.fingerprint_sha256
    if device.key_wanted_at is None:
        raise NotAllowed(
            "This is another key than the claimed one. Ask for a new key on the page of the device."
        )
    text = next_key_text(device_id=str(device.public_id), epoch=device.claim_epoch + 1, fingerprint=key)
    if not signature_is_valid(public_key_pem=device.public_key_pem, signature=proof, text=text):
        raise NotAllowed("The device did not sign this key with the one that it has.")
    if key == device.next_fingerprint_sha256:
        return
    made = DeviceCertificate.objects.filter(device=device, created_at__gt=now() - NEXT_KEYS_IN)
    if made.exclude(fingerprint_sha256=device.fingerprint_sha256).count() >= NEXT_KEYS_MOST:
        raise TooMany("This device made too many keys today. It may make another one tomorrow.")
    if key_was_used(key):
        raise NotAllowed("This key was used before. A new key has to be new.")
    # What was given for a next key that never came into use.
    unused = DeviceCertificate.objects.filter(
        device=device, fingerprint_sha256=device.next_fingerprint_sha256 or None
    )
    unused.update(revoked_at=now())
    device.next_fingerprint_sha256, device.next_public_key_pem = key, request.public_key_pem
    device.save(update_fields=["next_fingerprint_sha256", "next_public_key_pem", "updated_at"])
