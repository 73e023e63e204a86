"""Claiming, the device's side: authorization (RFC 8628), then enrollment.

1. authorization_start     the device asks; it gets codes and shows them
2. authorization_find      a member brings the secret of the QR code or types the user code
3. authorization_confirm   the member says yes: the device row is made
4. authorization_poll      the device fetches its certificate, once

2 and 3 are in devices.claiming.confirmation.
"""

import secrets
from datetime import timedelta

from django.db import transaction
from django_scopes import scope, scopes_disabled

from common.clock import now
from common.codes import secret_hash, secret_make
from common.errors import Conflict
from devices.identity.certificates import authority_get, csr_check
from devices.identity.keys import KEY_USED, certificate_issue, key_was_used
from devices.life.transfers import transfer_for_code
from devices.models import (
    AuthorizationState,
    Device,
    DeviceAuthorization,
    DeviceCertificate,
    Transfer,
)
from devices.services import claim_details, device_create
from households.models import Household
from households.record.audit import AuditKind, audit_note
from protocol.enrollment import (
    USER_CODE_ALPHABET,
    USER_CODE_LENGTH,
    Authorization,
    AuthorizationRequest,
    Enrollment,
)

LIFE = timedelta(minutes=15)
INTERVAL_S = 2
KEPT = timedelta(days=1)  # after its codes ran out
WAITING_MOST = 10_000  # devices of which the hub knows that they wait, or waited


class PollProblem(Exception):
    """RFC 8628 section 3.5: `error` is one of its four words."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error, self.description = error, description


def authorization_start(*, request: AuthorizationRequest, base_url: str) -> Authorization:
    """Raises Invalid for a bad CSR, Conflict for a key that was a device's before: the device makes another one then.

    One that comes with the code of a transfer is claimed at once. Any other code counts for nothing.
    """
    csr = csr_check(request.csr_pem)
    device_code, secret = secret_make(32), secret_make(16)
    user_code = "".join(secrets.choice(USER_CODE_ALPHABET) for _ in range(USER_CODE_LENGTH))
    with transaction.atomic():
        transfer = transfer_for_code(
            request.transfer_code, proof=request.transfer_proof, fingerprint=csr.fingerprint_sha256
        )
        if key_was_used(csr.fingerprint_sha256) and not _is_back(transfer, csr.fingerprint_sha256):
            raise Conflict(KEY_USED)
        row = DeviceAuthorization.objects.create(
            device_code_hash=secret_hash(device_code),
            user_code_hash=secret_hash(user_code),
            secret_hash=secret_hash(secret),
            csr_pem=csr.csr_pem,
            fingerprint_sha256=csr.fingerprint_sha256,
            model=request.model.strip(),
            serial=request.serial.strip(),
            capabilities=request.capabilities,
            expires_at=now() + LIFE,
            interval_s=INTERVAL_S,
        )
        if transfer is not None and transfer.to_household is not None:
            with scope(household=transfer.to_household):
                _arrive(row, transfer, transfer.to_household)
    _oldest_forget(row)
    return Authorization(
        device_code=device_code,
        user_code=user_code,
        verification_uri=f"{base_url}/devices/add/",
        verification_uri_complete=f"{base_url}/claim/#s={secret}&f={csr.fingerprint_sha256}",
        expires_in=int(LIFE.total_seconds()),
        interval=INTERVAL_S,
    )


def _oldest_forget(newest: DeviceAuthorization) -> None:
    """Strangers may ask as often as they like, so their rows must not fill the disk, nor keep anybody out.

    Nobody is refused for it: a device whose code was forgotten hears that it expired, and shows another one.
    """
    old = DeviceAuthorization.objects.filter(pk__lte=newest.pk - WAITING_MOST)
    old.filter(state=AuthorizationState.PENDING).delete()


def _is_back(transfer: Transfer | None, fingerprint_sha256: str) -> bool:
    """It came by this transfer a moment ago, and did not hear the answer."""
    came = transfer.to_device if transfer else None
    return came is not None and came.revoked_at is None and came.fingerprint_sha256 == fingerprint_sha256


def _arrive(row: DeviceAuthorization, transfer: Transfer, household: Household) -> None:
    """The device that was taken over is here: nobody has to type anything."""
    device = transfer.to_device
    # It is the same box; what it says of itself now could be another one's serial number.
    row.model, row.serial = transfer.device.model, transfer.device.serial
    if device is None:
        device = device_create(
            household,
            transfer.accepted_by,
            row,
            name=transfer.to_name,
            room=transfer.to_room,
            is_auto_answer=transfer.to_is_auto_answer,
        )
        Transfer.objects.filter(pk=transfer.pk).update(to_device=device)
        home = transfer.device.household
        details = {"actor": transfer.accepted_by, "home": home, **claim_details(device)}
        audit_note(household, AuditKind.CLAIMED, **details)
    elif not _is_back(transfer, row.fingerprint_sha256):
        return  # a code works once
    DeviceAuthorization.objects.filter(pk=row.pk).update(
        state=AuthorizationState.CONFIRMED, device=device, confirmed_by=transfer.accepted_by
    )


def authorization_poll(*, device_code: str) -> Enrollment:
    """The certificate, once a member has confirmed. Raises PollProblem.

    Asking again after the certificate was given gives it again while the code lives: an answer may get lost.
    """
    row = DeviceAuthorization.objects.filter(device_code_hash=secret_hash(device_code)).first()
    if row is None or (row.expires_at <= now() and row.state == AuthorizationState.PENDING):
        raise PollProblem("expired_token", "The code has expired. Ask for a new one.")
    last, row.polled_at = row.polled_at, now()
    DeviceAuthorization.objects.filter(pk=row.pk).update(polled_at=row.polled_at)  # if it is still there
    if row.state == AuthorizationState.DENIED:
        raise PollProblem("access_denied", "The claim was refused.")
    if row.state == AuthorizationState.PENDING:
        # A little grace: the network may bunch two polls together.
        if last and row.polled_at - last < timedelta(seconds=row.interval_s * 0.5):
            raise PollProblem("slow_down", "Ask less often.")
        raise PollProblem("authorization_pending", "Nobody has claimed the device yet.")
    return _enroll(row)


def _enroll(row: DeviceAuthorization) -> Enrollment:
    with scopes_disabled():  # the device that asks has no session; its code names the row
        device = row.device
    if device is None or device.revoked_at or row.expires_at + LIFE <= now():
        raise PollProblem("expired_token", "The code has expired. Ask for a new one.")
    with scope(household=device.household), transaction.atomic():
        Device.objects.select_for_update().get(pk=device.pk)
        certificate = DeviceCertificate.objects.filter(device=device, revoked_at=None).first()
        if certificate is None:
            certificate = certificate_issue(device=device, request=csr_check(row.csr_pem))
        DeviceAuthorization.objects.filter(pk=row.pk).update(state=AuthorizationState.ENROLLED)
    return Enrollment(
        device_id=device.public_id,
        certificate_pem=certificate.certificate_pem,
        ca_pem=authority_get().certificate_pem,
        household_name=device.household.name,
        device_name=device.name,
        epoch=device.claim_epoch,
    )


def authorizations_sweep() -> int:
    """Forgets what nobody can use or ask about any more. Returns how many."""
    old = DeviceAuthorization.objects.filter(expires_at__lt=now() - KEPT)
    return old.delete()[0]
