"""A device goes to another household: with a new key, and without its history.

1. transfer_create    a member gives it away: a link with a secret, for a day, once
2. transfer_accept    somebody takes it over into a household of theirs: the old row is revoked from then on
3. the device hears that it belongs to nobody, with a code for this transfer, and makes itself another key
4. transfer_arrive    it asks for authorization with that code, and is claimed without anybody typing anything
"""

from datetime import timedelta
from uuid import UUID

from django.core.signing import BadSignature, Signer
from django.db import transaction
from django.db.models import QuerySet
from django_scopes import scope, scopes_disabled

from common.clock import now
from common.codes import secret_hash, secret_make
from common.errors import Conflict, NotAllowed, NotFound
from common.limits import limit_hit
from common.names import name_need
from common.words import moment_words
from devices.identity.certificates import signature_is_valid
from devices.models import Device, Room, Transfer
from devices.services import GIVEN, device_part
from devices.sharing.rules import need_part
from households.access import members_hold, need
from households.models import Household, Membership, User
from households.record.audit import AuditKind, Note, audit_note, audit_notes
from households.roles import Permission
from protocol.identity import transfer_text

LIFE = timedelta(hours=24)
_SECRET_BYTES = 16  # 128 bit
_DEED = "give it away"
_TAKEN_BACK = "This link was taken back."
_TAKEN = "Somebody else took this device over a moment ago. Each link works once."


def transfer_create(*, membership: Membership, device: Device) -> tuple[Transfer, str]:
    """The row, and the secret of its link, which is shown once. A link from before opens nothing any more.

    Raises NotAllowed, Conflict for a device that cannot make itself another key, TooMany.
    """
    if device.is_foreign:
        raise Conflict(
            "A device of another maker is not given away by a link. Remove it here, and add it there."
        )
    limit_hit(f"give:{membership.pk}", most=50, per_s=3600, message="Too many links.")
    token = secret_make(_SECRET_BYTES)
    with transaction.atomic():
        members_hold(membership)  # nobody sets rules in between
        need_part(membership, device, deed=_DEED)
        if not Device.objects.select_for_update().filter(pk=device.pk, revoked_at=None).exists():
            raise NotFound("There is no such device.")
        _open_ones(device).update(cancelled_at=now())
        transfer = Transfer.objects.create(
            device=device, token_hash=secret_hash(token), made_by=membership.user, expires_at=now() + LIFE
        )
        until = moment_words(transfer.expires_at, device.household.time_zone)
        details = {"actor": membership.user, "device": device.name, "until": until}
        audit_note(device.household, AuditKind.GIVEN, **details)
    return transfer, token


def transfer_cancel(*, membership: Membership, device: Device) -> None:
    """Raises NotAllowed, and Conflict where there is nothing to cancel: perhaps somebody was faster."""
    need(membership, Permission.DEVICES_MANAGE)
    with transaction.atomic():
        if not _open_ones(device).update(cancelled_at=now()):
            raise Conflict("There is no open link any more.")
        audit_note(device.household, AuditKind.GIVING_CANCELLED, actor=membership.user, device=device.name)


def transfer_find(*, token: str) -> Transfer:
    """Raises NotFound, and Conflict for one that was used, is too old, or was taken back. Needs no scope."""
    rows = Transfer.objects.select_related("device__household", "made_by")
    with scopes_disabled():
        transfer = rows.filter(token_hash=secret_hash(token.strip())).first()
    if transfer is None:
        raise NotFound("This link is not known. Ask for a new one.")
    if words := transfer_why_closed(transfer):
        raise Conflict(words)
    return transfer


def transfer_of(device: Device, *, public_id: UUID) -> Transfer:
    """One that was begun from here. Raises NotFound."""
    transfer = Transfer.objects.select_related("device__household").filter(device=device, public_id=public_id)
    if (found := transfer.first()) is None:
        raise NotFound("There is no such link.")
    return found


def transfer_why_closed(transfer: Transfer) -> str:
    """In a sentence; "" where whoever has the link can take the device over. Needs no scope."""
    if words := _why_closed(transfer):
        return words
    try:
        _need_giver(transfer)
    except Conflict as refusal:
        return refusal.message
    return ""


def transfer_of_taker(*, token: str, user: User) -> Transfer | None:
    """The one that this person took over by this link already. Needs no scope."""
    with scopes_disabled():
        taken = Transfer.objects.filter(token_hash=secret_hash(token.strip()), accepted_by=user)
        return taken.first()


def transfer_accept(
    *, transfer: Transfer, membership: Membership, name: str, room: Room | None, is_auto_answer: bool
) -> Transfer:
    """Into the member's household. Of two people at once one wins; the other gets Conflict.

    Raises NotAllowed, NotFound, and Conflict for the household that gives.
    """
    name_need(name)
    device = transfer.device
    if membership.household_id == device.household_id:
        raise Conflict("This device is in this home already. Pass the link on to whoever shall have it.")
    with transaction.atomic():
        _homes_hold(device.household, membership)
        need(membership, Permission.DEVICES_MANAGE)
        with scope(household=device.household):  # after its household, as whoever removes it does
            list(Device.objects.select_for_update().filter(pk=device.pk))
        _need_giver(transfer)
        open_one = Transfer.objects.filter(
            pk=transfer.pk, accepted_at=None, cancelled_at=None, expires_at__gt=now()
        )
        accepted = {
            "accepted_at": now(),
            "accepted_by": membership.user,
            "to_household": membership.household,
            "to_room": room,
            "to_name": name.strip()[:80],
            "to_is_auto_answer": is_auto_answer,
        }
        if not open_one.update(**accepted):
            raise Conflict(_why_closed(Transfer.objects.get(pk=transfer.pk)) or _TAKEN)
        with scope(household=device.household):
            ended = device_part(device=device, parting=GIVEN, by=transfer.made_by)
            if ended is None:
                raise Conflict("This device was removed a moment ago.")
        transfer.refresh_from_db()
        names = {"device": device.name, "to_name": transfer.to_name}
        _both_note(device.household, membership, **names, ended=ended)
    return transfer


def _homes_hold(giver: Household, taker: Membership) -> None:
    """Until the transaction ends nobody sets rules there, or removes who gives or takes. Raises NotFound.

    In the order of their keys: somebody may take a device the other way.
    """
    homes = Household.objects.select_for_update(no_key=True).order_by("pk")
    list(homes.filter(pk__in=[giver.pk, taker.household_id]))
    members_hold(taker)


def _both_note(giver: Household, taker: Membership, *, device: str, to_name: str, ended: list[Note]) -> None:
    """Each home learns the other's name, as the pages say to both beforehand. `ended`: what ended there with it."""
    actor, home = {"actor": taker.user}, taker.household
    notes = {
        giver: [*ended, Note(AuditKind.WENT, {**actor, "device": device, "home": home})],
        home: [Note(AuditKind.TAKEN, {**actor, "device": to_name, "home": giver})],
    }
    # Two devices may go between two homes at once, in opposite directions.
    for household in sorted(notes, key=lambda each: each.pk):
        audit_notes(household, notes[household])


def transfer_give_up(*, membership: Membership, transfer: Transfer) -> None:
    """The device that was taken over shall not come any more. Raises NotAllowed, and Conflict once it is there."""
    need(membership, Permission.DEVICES_MANAGE)
    with transaction.atomic():
        if not _on_their_way().filter(pk=transfer.pk).update(cancelled_at=now()):
            raise Conflict("The device has come already. You can remove it on its page.")
        with scopes_disabled():
            home = Device.objects.select_related("household").get(pk=transfer.device_id).household
        details = {"actor": membership.user, "device": transfer.to_name, "home": home}
        audit_note(membership.household, AuditKind.TAKING_ENDED, **details)


def transfer_code(*, device: Device) -> str | None:
    """What a revoked device is told, so that it comes to its new household. Made anew each time, kept nowhere."""
    transfer = _on_their_way().filter(device=device).first()
    return _signer().sign(str(transfer.public_id)) if transfer else None


def transfer_for_code(code: str | None, *, proof: str, fingerprint: str) -> Transfer | None:
    """Locks it. None for a code that is wrong, was used, or whose transfer was given up. Needs a transaction.

    `proof`: by the key that the device had, for the one that it has now (`fingerprint`); the code alone may have been
    read on its way. A device that asks again finds the transfer that it came by: the answer may have been lost.
    """
    if not code:
        return None
    try:
        public_id = UUID(_signer().unsign(code))
    except (BadSignature, ValueError):
        return None
    rows = Transfer.objects.select_for_update(of=("self",)).exclude(accepted_at=None)
    with scopes_disabled():
        rows = rows.select_related("device", "to_household", "to_room", "to_device", "accepted_by")
        transfer = rows.filter(public_id=public_id, cancelled_at=None).first()
    if transfer is None or not _is_of(
        transfer.device, proof, transfer_text(fingerprint=fingerprint, code=code)
    ):
        return None
    return transfer


def _is_of(device: Device, proof: str, text: bytes) -> bool:
    """Signed by the device that was given away: perhaps it had changed its key, and not said so yet."""
    keys = [key for key in (device.public_key_pem, device.next_public_key_pem) if key]
    return any(signature_is_valid(public_key_pem=key, signature=proof, text=text) for key in keys)


def transfers_coming(*, membership: Membership) -> QuerySet[Transfer]:
    """Devices that the member's household took over and that have not come yet."""
    rows = _on_their_way().filter(to_household=membership.household)
    return rows.select_related("to_room", "accepted_by").order_by("accepted_at")


def transfer_open(device: Device) -> Transfer | None:
    """The link that is out now."""
    return _open_ones(device).filter(expires_at__gt=now()).select_related("made_by").first()


def access_transfer(*, membership: Membership, public_id: UUID | str) -> Transfer:
    """One that the member's household has accepted. Raises NotFound, NotAllowed."""
    rows = Transfer.objects.select_related("to_room", "accepted_by")
    transfer = rows.filter(public_id=public_id, to_household=membership.household).first()
    if transfer is None:
        raise NotFound("There is no such device.")
    need(membership, Permission.DEVICES_MANAGE)
    return transfer


def _open_ones(device: Device) -> QuerySet[Transfer]:
    return Transfer.objects.filter(device=device, accepted_at=None, cancelled_at=None)


def _on_their_way() -> QuerySet[Transfer]:
    return Transfer.objects.filter(cancelled_at=None, to_device=None).exclude(accepted_at=None)


def _need_giver(transfer: Transfer) -> None:
    """Whoever made the link may have left since, or may do less. Raises Conflict."""
    device = transfer.device
    try:
        with scope(household=device.household):
            members = Membership.objects.filter(household=device.household, user__is_active=True)
            need_part(members.get(user=transfer.made_by), device, deed=_DEED)
    except (Membership.DoesNotExist, NotAllowed):
        raise Conflict(_TAKEN_BACK) from None


def _why_closed(transfer: Transfer) -> str:
    if transfer.accepted_at:
        return _TAKEN
    if transfer.cancelled_at:
        return _TAKEN_BACK
    if transfer.expires_at <= now():
        return "This link is too old. Ask for a new one."
    return ""


def _signer() -> Signer:
    return Signer(salt="devices.transfer")
