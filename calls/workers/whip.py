"""The connections of foreign devices (WHIP, RFC 9725): which worker has them, and how they come into calls.

Such a device connects whenever it likes and waits. What it says goes nowhere until a member calls it.
"""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID, uuid4

from django.db import transaction
from django_scopes import scope

from calls.models import Call, CallParticipant, ParticipantRole, WhipSession
from calls.recording.services import recording_name
from calls.selectors import call_live_for_device, echo_is_for_hub
from calls.workers.placement import worker_choose, worker_is_alive, worker_takes
from common.clock import now
from common.errors import DomainError, Unavailable
from common.push import group_worker, push_on_commit
from devices.foreign import device_token_hold
from devices.models import Device, DevicePresence, DeviceToken
from devices.presence import presence_connect, presence_disconnect
from protocol.errors import ErrorCode
from protocol.worker import LegClose, LegJoin

HUNG_UP = "The device hung up."
REMOVED = "The device may not connect any more."
FRESH = timedelta(seconds=20)  # a connection that was not heard yet


def whip_worker(device: Device) -> str:
    """Who answers the device's next offer: the worker of its call, the one that has it, or the least loaded.

    Raises Unavailable.
    """
    call, session = call_live_for_device(device), whip_session_live(device)
    for worker_id in (call.worker_id if call else "", session.worker_id if session else ""):
        if worker_id and worker_takes(worker_id):
            return worker_id
    return worker_choose()


def whip_session_live(device: Device) -> WhipSession | None:
    return WhipSession.objects.filter(device=device, ended_at=None).first()


def whip_session_start(*, token: DeviceToken, worker_id: str, ice_ufrag: str) -> WhipSession:
    """The worker has answered: this is the device's connection now, whatever it had before.

    That took a while. Raises NotSignedIn when the token lets nobody in any more, Unavailable when the device's call
    went to another worker; then the worker lets the connection go.
    """
    try:
        return _session_start(token, worker_id, ice_ufrag)
    except DomainError:  # here, since what a rollback undoes is not sent either
        push_on_commit(group_worker(worker_id), LegClose(leg_id=token.device.public_id))
        raise


def _session_start(token: DeviceToken, worker_id: str, ice_ufrag: str) -> WhipSession:
    device = token.device
    with transaction.atomic():
        device_token_hold(token)
        before, call = whip_session_live(device), call_live_for_device(device)
        if call is not None and call.worker_id != worker_id:
            raise Unavailable("The call has moved. Connect again.", code=ErrorCode.NO_WORKER)
        if before is not None and before.worker_id != worker_id:
            push_on_commit(group_worker(before.worker_id), LegClose(leg_id=device.public_id))
        session, _ = WhipSession.objects.update_or_create(
            device=device,
            defaults={
                "household": device.household,
                "public_id": uuid4(),
                "worker_id": worker_id,
                "ice_ufrag": ice_ufrag,
                "started_at": now(),
                "ended_at": None,
            },
        )
        if call is not None:
            whip_join(call=call)
    return session


def whip_join(*, call: Call) -> None:
    """The device's connection takes part in its call from now on."""
    leg = CallParticipant.objects.select_related("call__household", "call__device").get(
        call=call, role=ParticipantRole.CALLEE
    )
    command = LegJoin(
        leg_id=call.device.public_id,
        call_id=call.public_id,
        participant_id=leg.public_id,
        recording_name=recording_name(leg),
        echo_cancellation=echo_is_for_hub(leg),
    )
    push_on_commit(group_worker(call.worker_id), command)


def whip_session_end(*, session: WhipSession, reason: str = HUNG_UP) -> None:
    """The connection ends, and a call that it carried. Ending twice is the same as ending once."""
    with transaction.atomic():
        if _ended(session):
            push_on_commit(
                group_worker(session.worker_id), LegClose(leg_id=session.device.public_id, reason=reason)
            )


def whip_device_lock_out(*, device: Device) -> None:
    """It was removed, or has a new token: what is connected now is cut off."""
    if session := whip_session_live(device):
        whip_session_end(session=session, reason=REMOVED)


def whip_call_moved(*, call: Call, from_worker_id: str) -> None:
    """A call goes to another worker. The device cannot be asked for a new offer, so its connection is closed:
    it notices, connects again, and is back in the call."""
    if session := WhipSession.objects.filter(device=call.device, worker_id=from_worker_id).first():
        whip_session_end(session=session)


def whip_worker_died(*, worker_id: str) -> None:
    """Its devices are offline until they connect again."""
    sessions = WhipSession.objects.filter(worker_id=worker_id, ended_at=None)
    for session in sessions.select_related("device__household"):
        _ended(session)


# What the worker tells


def whip_heard(*, device_id: UUID, worker_id: str) -> None:
    """Sound comes from the device: it is online."""
    if session := _of_worker(device_id, worker_id):
        _online(session)


def whip_closed(*, device_id: UUID, worker_id: str) -> None:
    """The connection is gone for good."""
    if session := _of_worker(device_id, worker_id):
        _ended(session)


def whip_touch(*, device_ids: Iterable[UUID], worker_id: str) -> list[UUID]:
    """These are connected to this worker. Returns those that should not be: the device is elsewhere, or removed."""
    ids = list(device_ids)
    sessions = WhipSession.objects.filter(device__public_id__in=ids, worker_id=worker_id, ended_at=None)
    known = {session.device.public_id: session for session in sessions.select_related("device__household")}
    owner = group_worker(worker_id)
    for session in known.values():
        rows = DevicePresence.objects.filter(device=session.device, channel_name=owner, is_online=True)
        if not rows.update(last_seen_at=now()):
            _online(session)
    return [device_id for device_id in ids if device_id not in known]


def whip_sweep() -> int:
    """Sessions whose worker is gone, and nobody said so. Returns how many it ended. Raises redis.RedisError."""
    sessions = WhipSession.objects.filter(ended_at=None, started_at__lt=now() - FRESH)
    gone = [s for s in sessions.select_related("device__household") if not worker_is_alive(s.worker_id)]
    return sum(_ended(session) for session in gone)


def _of_worker(device_id: UUID, worker_id: str) -> WhipSession | None:
    return (
        WhipSession.objects.filter(device__public_id=device_id, worker_id=worker_id, ended_at=None)
        .select_related("device__household")
        .first()
    )


def _online(session: WhipSession) -> None:
    """Unless it ended since it was read: nobody would say again that the device is offline."""
    with scope(household=session.device.household), transaction.atomic():
        same = WhipSession.objects.filter(pk=session.pk, public_id=session.public_id, ended_at=None)
        if same.select_for_update(no_key=True).first() is not None:
            owner = group_worker(session.worker_id)
            presence_connect(device=session.device, channel_name=owner, agent_version="")


def _ended(session: WhipSession) -> bool:
    """False: it had ended, or another one has taken its place."""
    with scope(household=session.device.household), transaction.atomic():
        rows = WhipSession.objects.filter(pk=session.pk, public_id=session.public_id, ended_at=None)
        if not rows.update(ended_at=now()):
            return False
        presence_disconnect(device=session.device, channel_name=group_worker(session.worker_id))
    return True
