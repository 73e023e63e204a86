"""Claiming: authorization (RFC 8628), then enrollment.

1. authorization_start     the device asks; it gets codes and shows them
2. authorization_find      a member brings the secret of the QR code or types the user code
3. authorization_confirm   the member says yes: the device row is made
4. authorization_poll      the device fetches its certificate, once
"""

import secrets
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django_scopes import scope, scopes_disabled

from common.clock import now
from common.codes import secret_hash, secret_make
from common.errors import Conflict, Invalid, NotFound
from devices.certificates import authority_get, csr_check
from devices.keys import certificate_issue
from devices.known import ELSEWHERE, device_known, device_let_go
from devices.models import (
    AuthorizationState,
    Device,
    DeviceAuthorization,
    DeviceCertificate,
    DevicePresence,
    Room,
    Transfer,
)
from devices.rules import rules_keep
from devices.transfers import transfer_for_code
from devices.tries import try_failed, try_return, try_take
from households.access import need
from households.audit import AuditKind, audit_note
from households.models import Household, Membership, User
from households.roles import Permission
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
# For so long after it was added, people who wonder where a device went are told "a moment ago".
_A_MOMENT = timedelta(minutes=5)


class CodeUsed(Conflict):
    """`device`: what the code was used for, where it belongs to the household of whoever asks."""

    def __init__(self, message: str, device: Device | None = None) -> None:
        super().__init__(message)
        self.device = device


class PollProblem(Exception):
    """RFC 8628 section 3.5: `error` is one of its four words."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error, self.description = error, description


def authorization_start(*, request: AuthorizationRequest, base_url: str) -> Authorization:
    """Raises Invalid for a bad CSR, Conflict for a key that is claimed already.

    One that comes with the code of a transfer is claimed at once. Any other code counts for nothing.
    """
    csr = csr_check(request.csr_pem)
    device_code, secret = secret_make(32), secret_make(16)
    user_code = "".join(secrets.choice(USER_CODE_ALPHABET) for _ in range(USER_CODE_LENGTH))
    with transaction.atomic():
        transfer = transfer_for_code(
            request.transfer_code, proof=request.transfer_proof, fingerprint=csr.fingerprint_sha256
        )
        if _is_claimed(csr.fingerprint_sha256) and not _is_back(transfer, csr.fingerprint_sha256):
            raise Conflict("This device belongs to a home already. Remove it there, or reset the device.")
        row = DeviceAuthorization.objects.create(
            device_code_hash=secret_hash(device_code),
            user_code_hash=secret_hash(user_code),
            secret_hash=secret_hash(secret),
            csr_pem=request.csr_pem,
            fingerprint_sha256=csr.fingerprint_sha256,
            model=request.model,
            serial=request.serial,
            capabilities=request.capabilities,
            expires_at=now() + LIFE,
            interval_s=INTERVAL_S,
        )
        if transfer is not None and transfer.to_household is not None:
            with scope(household=transfer.to_household):
                _arrive(row, transfer, transfer.to_household)
    return Authorization(
        device_code=device_code,
        user_code=user_code,
        verification_uri=f"{base_url}/devices/add/",
        verification_uri_complete=f"{base_url}/claim/#s={secret}&f={csr.fingerprint_sha256}",
        expires_in=int(LIFE.total_seconds()),
        interval=INTERVAL_S,
    )


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
        device = _device_create(
            household,
            transfer.accepted_by,
            row,
            name=transfer.to_name,
            room=transfer.to_room,
            is_auto_answer=transfer.to_is_auto_answer,
        )
        Transfer.objects.filter(pk=transfer.pk).update(to_device=device)
        audit_note(household, AuditKind.CLAIMED, actor=transfer.accepted_by or "The hub", device=device)
    elif not _is_back(transfer, row.fingerprint_sha256):
        return  # a code works once
    DeviceAuthorization.objects.filter(pk=row.pk).update(
        state=AuthorizationState.CONFIRMED, device=device, confirmed_by=transfer.accepted_by
    )


def authorization_find(
    *, membership: Membership, secret: str = "", user_code: str = "", fingerprint: str = ""
) -> DeviceAuthorization:
    """The waiting device behind a secret or a typed code.

    Raises NotFound, Conflict (used, or another home's device), Invalid, TooMany. Only wrong codes count as tries, so
    that a page may look the same device up again; once the tries are spent, a right code is refused too.
    """
    need(membership, Permission.DEVICES_MANAGE)
    row = _row_find(membership, secret, user_code)
    if fingerprint and fingerprint.lower() != row.fingerprint_sha256:
        raise Invalid("The key in this code is not the key of the device. Do not claim it; reset the device.")
    if row.state != AuthorizationState.PENDING:
        raise _code_used(membership, row)
    if row.expires_at <= now():
        raise NotFound("This code has expired. Let the device show a new one.")
    device_known(household=membership.household, authorization=row)
    return row


def _row_find(membership: Membership, secret: str, user_code: str) -> DeviceAuthorization:
    """Only hashes are compared, so an answer tells by its time nothing of the code."""
    is_typed = not secret
    by = (
        {"user_code_hash": secret_hash(user_code_normalize(user_code))}
        if is_typed
        else {"secret_hash": secret_hash(secret)}
    )
    try_take(membership, is_typed=is_typed)
    row = DeviceAuthorization.objects.select_related("confirmed_by").filter(**by).last()
    if row is None:
        try_failed(membership, is_typed=is_typed)
        raise NotFound("No device waits with this code. Check it, or let the device show a new one.")
    try_return(membership, is_typed=is_typed)
    return row


def _code_used(membership: Membership, row: DeviceAuthorization) -> CodeUsed:
    """Says who was faster, within the same household; of another one nothing is told."""
    own = Device.objects.filter(pk=row.device_id or 0, household=membership.household).first()
    if row.device_id and own is None:
        return CodeUsed(ELSEWHERE)
    if own is None or own.revoked_at:
        return CodeUsed("This code was used already. Each code works once: let the device show a new one.")
    who = "You" if row.confirmed_by_id == membership.user_id else str(row.confirmed_by or "Somebody")
    when = "a moment ago" if now() - own.claimed_at < _A_MOMENT else "already"
    return CodeUsed(f"{who} added this device {when}, as {own.name}.", own)


def user_code_normalize(text: str) -> str:
    """Forgiving of case, spaces and dashes. Raises Invalid when it cannot be a code."""
    code = "".join(c for c in text.upper() if c.isalnum())
    if len(code) != USER_CODE_LENGTH or any(c not in USER_CODE_ALPHABET for c in code):
        raise Invalid(f"A code has {USER_CODE_LENGTH} letters, like BCDFG-HJKLM, and no vowels or digits.")
    return code


def authorization_confirm(
    *,
    membership: Membership,
    authorization: DeviceAuthorization,
    name: str,
    room: Room | None,
    is_auto_answer: bool,
    lets_go: UUID | None = None,
) -> Device:
    """Claim the device. Of two people at once one wins; the other gets CodeUsed. Raises Conflict, KeyChanged, Invalid.

    `lets_go`: the device that this one was known as until it came with a new key; it is removed, and its rules stay.
    Raises NotAllowed for whoever may not bring it to another room.
    """
    need(membership, Permission.DEVICES_MANAGE)
    if not name.strip():
        raise Invalid("Give the device a name.")
    with transaction.atomic():
        pending = DeviceAuthorization.objects.filter(
            pk=authorization.pk, state=AuthorizationState.PENDING, expires_at__gt=now()
        )
        if not pending.update(state=AuthorizationState.CONFIRMED, confirmed_by=membership.user):
            raise _too_late(membership, authorization)
        old = device_let_go(household=membership.household, authorization=authorization, lets_go=lets_go)
        device = _device_create(
            membership.household,
            membership.user,
            authorization,
            name=name.strip()[:80],
            room=room,
            is_auto_answer=is_auto_answer,
        )
        DeviceAuthorization.objects.filter(pk=authorization.pk).update(device=device)
        if old:
            rules_keep(membership=membership, old=old, device=device)
            audit_note(membership.household, AuditKind.UNCLAIMED, actor=membership.user, device=old)
        audit_note(membership.household, AuditKind.CLAIMED, actor=membership.user, device=device)
    return device


def _too_late(membership: Membership, authorization: DeviceAuthorization) -> Conflict | NotFound:
    row = DeviceAuthorization.objects.select_related("confirmed_by").get(pk=authorization.pk)
    if row.state == AuthorizationState.PENDING:
        return NotFound("This code has expired. Let the device show a new one.")
    return _code_used(membership, row)


def authorization_deny(*, membership: Membership, authorization: DeviceAuthorization) -> None:
    need(membership, Permission.DEVICES_MANAGE)
    pending = DeviceAuthorization.objects.filter(pk=authorization.pk, state=AuthorizationState.PENDING)
    pending.update(state=AuthorizationState.DENIED)


def authorization_poll(*, device_code: str) -> Enrollment:
    """The certificate, once a member has confirmed. Raises PollProblem.

    Asking again after the certificate was given gives it again while the code lives: an answer may get lost.
    """
    row = DeviceAuthorization.objects.filter(device_code_hash=secret_hash(device_code)).first()
    if row is None or (row.expires_at <= now() and row.state == AuthorizationState.PENDING):
        raise PollProblem("expired_token", "The code has expired. Ask for a new one.")
    last, row.polled_at = row.polled_at, now()
    row.save(update_fields=["polled_at"])
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


def _device_create(
    household: Household,
    user: User | None,
    row: DeviceAuthorization,
    *,
    name: str,
    room: Room | None,
    is_auto_answer: bool,
) -> Device:
    try:
        with transaction.atomic():
            device = Device.objects.create(
                household=household,
                room=room,
                name=name,
                model=row.model,
                serial=row.serial,
                capabilities=row.capabilities,
                fingerprint_sha256=row.fingerprint_sha256,
                public_key_pem=csr_check(row.csr_pem).public_key_pem,
                is_auto_answer=is_auto_answer,
                claimed_by=user,
                claimed_at=now(),
            )
    except IntegrityError:
        raise Conflict(
            "This device belongs to a home already. Remove it there, or reset the device."
        ) from None
    DevicePresence.objects.create(device=device)
    return device


def authorizations_sweep() -> int:
    """Forgets what nobody can use or ask about any more. Returns how many."""
    old = DeviceAuthorization.objects.filter(expires_at__lt=now() - KEPT)
    return old.delete()[0]


def _is_claimed(fingerprint_sha256: str) -> bool:
    with scopes_disabled():
        return Device.objects.filter(fingerprint_sha256=fingerprint_sha256, revoked_at=None).exists()
