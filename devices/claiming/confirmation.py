"""Claiming, the members' side: which device waits behind a code, and the yes or no to it."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from common.clock import now
from common.codes import secret_hash
from common.errors import Conflict, Invalid, NotFound
from common.names import name_need
from devices.claiming.known import ELSEWHERE, device_known, device_let_go
from devices.claiming.tries import try_failed, try_return, try_take
from devices.models import AuthorizationState, Device, DeviceAuthorization, Room
from devices.services import claim_details, device_create
from devices.sharing.loans import loans_keep
from devices.sharing.rules import rules_keep
from households.access import members_hold, need
from households.models import Membership
from households.record.audit import AuditKind, audit_note
from households.roles import Permission
from protocol.enrollment import USER_CODE_ALPHABET, USER_CODE_LENGTH

# For so long after it was added, people who wonder where a device went are told "a moment ago".
_A_MOMENT = timedelta(minutes=5)


class CodeUsed(Conflict):
    """`device`: what the code was used for, where it belongs to the household of whoever asks."""

    def __init__(self, message: str, device: Device | None = None) -> None:
        super().__init__(message)
        self.device = device


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
    taken = try_take(membership, is_typed=is_typed)
    row = DeviceAuthorization.objects.select_related("confirmed_by").filter(**by).last()
    if row is None:
        raise try_failed(membership, taken)
    try_return(taken)
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

    `lets_go`: the device that this one was known as until it came with a new key; it is removed, and its rules and
    loans stay. Raises NotAllowed for whoever may not bring it to another room.
    """
    if not name.strip():
        raise Invalid("Give the device a name.")
    name_need(name)
    with transaction.atomic():
        members_hold(membership)  # nobody sets rules between those of the old row and those of the new one
        need(membership, Permission.DEVICES_MANAGE)
        pending = DeviceAuthorization.objects.filter(
            pk=authorization.pk, state=AuthorizationState.PENDING, expires_at__gt=now()
        )
        if not pending.update(state=AuthorizationState.CONFIRMED, confirmed_by=membership.user):
            raise _too_late(membership, authorization)
        old = device_let_go(household=membership.household, authorization=authorization, lets_go=lets_go)
        device = device_create(
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
            loans_keep(old=old, device=device)
            audit_note(
                membership.household, AuditKind.UNCLAIMED, actor=membership.user, device=old, new=device
            )
        audit_note(membership.household, AuditKind.CLAIMED, actor=membership.user, **claim_details(device))
    return device


def _too_late(membership: Membership, authorization: DeviceAuthorization) -> Conflict | NotFound:
    row = DeviceAuthorization.objects.select_related("confirmed_by").filter(pk=authorization.pk).first()
    if row is None or row.state == AuthorizationState.PENDING:
        return NotFound("This code has expired. Let the device show a new one.")
    return _code_used(membership, row)


def authorization_deny(*, membership: Membership, authorization: DeviceAuthorization) -> None:
    """It is another device than it seemed. Its codes open nothing any more; it hears of that and makes new ones."""
    need(membership, Permission.DEVICES_MANAGE)
    pending = DeviceAuthorization.objects.filter(pk=authorization.pk, state=AuthorizationState.PENDING)
    with transaction.atomic():
        if pending.update(state=AuthorizationState.DENIED):
            asked = f"{authorization.model}, serial number {authorization.serial}"
            audit_note(membership.household, AuditKind.CLAIM_REFUSED, actor=membership.user, device=asked)
