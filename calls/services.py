"""A call from the press of the button until it ends (calls.ending). Every change goes through calls.state."""

from django.db import IntegrityError, transaction

from calls.events import call_started
from calls.metrics import SETUP_SECONDS
from calls.models import Call, CallBreak, CallParticipant, ParticipantRole
from calls.pushes import call_tell
from calls.selectors import call_live_of_user, call_of_invite
from calls.state import LIVE_STATES, call_move
from calls.workers.placement import worker_choose
from calls.workers.whip import whip_join, whip_session_live
from common.clock import now
from common.errors import Conflict, DeviceBusy, DeviceOffline, DomainError
from common.push import group_device, push_on_commit
from devices.models import Device
from devices.sharing.rights import device_allows
from households.access import need_consent
from households.accounts.credentials import Credential
from households.models import Membership
from households.roles import Permission
from protocol.errors import ErrorCode
from protocol.messages.calls import CallInvited, CallOutcome, CallState


def call_start(
    *, membership: Membership, device: Device, invite_id: str = "", carried_by: Credential | None = None
) -> Call:
    """Call a device. Raises DeviceOffline, DeviceBusy, Unavailable. The first two leave a line in the history.

    Raises NotAllowed for somebody who has not agreed yet that calls are recorded. A right that ended while it began
    ends the call: it is returned, and over.

    `invite_id` is of the person's request: whoever did not hear the answer asks again with the same one.
    `carried_by`: what lets the page in that asks, see calls.ending.carriers.
    """
    need_consent(membership)
    if known := call_of_invite(user=membership.user, device=device, invite_id=invite_id):
        return _call_answer_again(known, carried_by)
    session = whip_session_live(device) if device.is_foreign else None
    worker_id = session.worker_id if session else worker_choose()
    if not device.presence.is_online or (device.is_foreign and session is None):
        raise _call_refused(membership, device, CallOutcome.OFFLINE, invite_id=invite_id)
    try:
        with transaction.atomic():
            call = _call_create(membership, device, worker_id=worker_id, invite_id=invite_id)
            _participants_create(call, membership, device, carried_by)
            _call_out(call)
            call_started.send(sender=Call, call=call)
    except IntegrityError:
        # Asked twice at once, over two sockets: the first one won just now.
        if known := call_of_invite(user=membership.user, device=device, invite_id=invite_id):
            return _call_answer_again(known, carried_by)
        raise _call_refused(membership, device, CallOutcome.BUSY, invite_id=invite_id) from None
    return call


def _call_out(call: Call) -> None:
    """A foreign device cannot ring: it is connected, and hears and is heard at once."""
    if not call.device.is_foreign:
        push_on_commit(group_device(call.device.public_id), call_invitation(call))
        return
    call_accept(call=call)
    whip_join(call=call)


def _call_answer_again(call: Call, carried_by: Credential | None) -> Call:
    """What the first request was answered."""
    if call.outcome in (CallOutcome.OFFLINE, CallOutcome.BUSY):
        raise _refusal(call.device, CallOutcome(call.outcome))
    if carried_by is not None:
        call.participants.filter(role=ParticipantRole.CALLER).update(carried_by=str(carried_by))
    return call


def _refusal(device: Device, outcome: CallOutcome) -> DomainError:
    if outcome is CallOutcome.OFFLINE:
        return DeviceOffline(f"{device.name} is offline. It will show as online when it is back.")
    return DeviceBusy(f"{device.name} is in another call.")


def call_invitation(call: Call) -> CallInvited:
    return CallInvited(
        call_id=call.public_id,
        caller_name=str(call.started_by or call.household),
        auto_answer=call.is_drop_in and call.device.is_auto_answer,
    )


def call_ring(*, call: Call) -> None:
    """The device says that it rings. Late or repeated: nothing happens."""
    if call_move(call, CallState.RINGING):
        call_tell(call)


def call_accept(*, call: Call) -> None:
    """Raises Conflict when the call is over."""
    if call_move(call, CallState.CONNECTING, accepted_at=now()):
        call_tell(call)
        _connect_if_joined(call)
    elif not call.is_live:
        raise Conflict("This call is over.", code=ErrorCode.CALL_ENDED)


def call_leg_joined(*, leg: CallParticipant, worker_id: str) -> None:
    """Audio of this end came, for the first time or again. The call is connected when it came from every end."""
    CallParticipant.objects.filter(pk=leg.pk, joined_at=None).update(joined_at=now())
    here = CallParticipant.objects.filter(pk=leg.pk, call__worker_id=worker_id)
    is_back = here.filter(lost_at__isnull=False).update(lost_at=None)
    awaited = CallParticipant.objects.filter(call=leg.call, awaited_at__isnull=False)
    if here.filter(awaited_at__isnull=False).update(awaited_at=None) and not awaited.exists():
        CallBreak.objects.filter(call=leg.call, ended_at=None).update(ended_at=now())
    call = leg.call
    call.refresh_from_db()
    if is_back and call.is_live:
        call_tell(call)
    _connect_if_joined(call)


def call_leg_lost(*, leg: CallParticipant, worker_id: str) -> None:
    """Nothing comes from this end any more. Everybody hears it, and the microphones of the others close.

    Word of a worker that the call has left means only that the end has moved.
    """
    if leg.call.worker_id != worker_id:
        return
    if CallParticipant.objects.filter(pk=leg.pk, lost_at=None).update(lost_at=now()):
        leg.call.refresh_from_db()
        if leg.call.is_live:
            call_tell(leg.call)


def call_device_rename(*, device: Device) -> None:
    """A call that goes on is one with the device's new name, from its first word on."""
    live = CallParticipant.objects.filter(device=device, call__state__in=LIVE_STATES)
    live.update(display_name=device.name)


def _connect_if_joined(call: Call) -> None:
    waiting = call.participants.filter(joined_at=None).exists()
    if not waiting and call_move(call, CallState.CONNECTED, connected_at=now()):
        if call.accepted_at and call.connected_at:
            SETUP_SECONDS.observe((call.connected_at - call.accepted_at).total_seconds())
        call_tell(call)


def _call_create(membership: Membership, device: Device, *, worker_id: str, invite_id: str) -> Call:
    return Call.objects.create(
        household=membership.household,
        device=device,
        started_by=membership.user,
        worker_id=worker_id,
        invite_id=invite_id,
        is_drop_in=_is_drop_in(membership, device),
    )


def _is_drop_in(membership: Membership, device: Device) -> bool:
    """Asked once, when the call begins: whoever is in it only because they may drop in, loses it with that right."""
    return device.is_foreign or (
        device.is_auto_answer and device_allows(membership, device, Permission.DROP_IN)
    )


def _call_refused(
    membership: Membership, device: Device, outcome: CallOutcome, *, invite_id: str
) -> DomainError:
    """A line in the history, for a call that never began. None where the caller is on the line himself."""
    if own := call_live_of_user(user=membership.user, device=device):
        words = f"You are in a call with {device.name} already, on another page or device of yours."
        return DeviceBusy(words, call_id=own.public_id)
    with transaction.atomic():
        call = Call.objects.create(
            household=membership.household,
            device=device,
            started_by=membership.user,
            state=CallState.ENDED,
            outcome=outcome,
            ended_at=now(),
            invite_id=invite_id,
        )
        _participants_create(call, membership, device)
    return _refusal(device, outcome)


def _participants_create(
    call: Call, membership: Membership, device: Device, carried_by: Credential | None = None
) -> None:
    caller = CallParticipant(
        household=call.household,
        call=call,
        role=ParticipantRole.CALLER,
        user=membership.user,
        display_name=str(membership.user),
        carried_by=str(carried_by or ""),
    )
    callee = CallParticipant(
        household=call.household,
        call=call,
        role=ParticipantRole.CALLEE,
        device=device,
        display_name=device.name,
    )
    CallParticipant.objects.bulk_create([caller, callee])


def calls_live() -> "list[Call]":
    """Every call that is not over. For the sweep."""
    return list(
        Call.objects.filter(state__in=LIVE_STATES).select_related("device", "household", "started_by")
    )
