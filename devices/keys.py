"""The life of a claimed device's key: certificates for it, and one day another key.

A certificate is given again to a device that asks again: the answer may have been lost, or the power.
"""

from datetime import timedelta

from cryptography.hazmat.primitives.serialization import Encoding
from django.db import transaction

from common.clock import now
from common.errors import NotAllowed, NotFound
from devices.certificates import SigningRequest, authority_get, certificate_sign, csr_check
from devices.models import Device, DeviceCertificate
from households.audit import AuditKind, audit_note
from protocol.certificates import Certificate, renew_at

# A device counts the time until then by a clock of its own.
EARLY = timedelta(hours=1)


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


def certificate_request(*, device: Device, csr_pem: str) -> Certificate:
    """The answer to a device that has logged in. Locks the device.

    Raises Invalid for what is no CSR, NotAllowed for another key than the claimed one, NotFound once it is removed.
    """
    request = csr_check(csr_pem)
    with transaction.atomic():
        device = _device_lock(device)
        if request.fingerprint_sha256 != device.fingerprint_sha256:
            raise NotAllowed(
                "This is another key than the claimed one. Ask for a new key on the page of the device."
            )
        row = _certificate_fresh(device, request) or _certificate_renew(device, request)
    return Certificate(
        certificate_pem=row.certificate_pem,
        ca_pem=authority_get().certificate_pem,
        epoch=device.claim_epoch,
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
    locked = Device.objects.select_for_update().filter(pk=device.pk, revoked_at=None).first()
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


def _certificate_renew(device: Device, request: SigningRequest) -> DeviceCertificate:
    row = certificate_issue(device=device, request=request)
    audit_note(device.household, AuditKind.RENEWED, device=device.name)
    return row
