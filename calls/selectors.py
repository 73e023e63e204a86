"""Reads."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django_scopes import scopes_disabled

from calls.models import Call, CallParticipant, ListeningCopy, Recording, RecordingState
from calls.state import LIVE_STATES
from common.clock import now
from devices.models import Device, EchoRemoval
from devices.sharing.rights import devices_ever_with, devices_visible
from households.models import Membership, User
from households.roles import Permission, allows
from protocol.messages.calls import CallRole

FRESH = timedelta(seconds=15)
# A page asks again for as long as its person looks at it, and no id is used twice.
INVITE_KNOWN = timedelta(minutes=2)


def calls_visible(membership: Membership) -> QuerySet[Call]:
    """Those that the member may know of: the own ones, and all or those that may be heard.

    Each with `may_hear`, and with `caller_name` and `device_name` as they were at its end: what was said and written
    of it then has them, too.
    """
    heard = devices_ever_with(membership, Permission.RECORDINGS_HEAR)
    calls = Call.objects.filter(household=membership.household)
    if not allows(membership.role, Permission.CALLS_SEE):
        calls = calls.filter(Q(started_by=membership.user) | Q(device__in=heard))
    return calls.annotate(
        may_hear=Exists(heard.filter(pk=OuterRef("device_id"))),
        caller_name=_name_then(CallRole.CALLER, "started_by__name"),
        device_name=_name_then(CallRole.CALLEE, "device__name"),
    )


def _name_then(role: CallRole, now_in: str) -> Coalesce:
    legs = CallParticipant.objects.filter(call=OuterRef("pk"), role=role)
    return Coalesce(Subquery(legs.values("display_name")[:1]), F(now_in))


def call_list(membership: Membership) -> QuerySet[Call]:
    """The history, newest first, each with `may_hear` and `has_recording`."""
    return (
        calls_visible(membership)
        .select_related("device__room", "started_by")
        .annotate(has_recording=Exists(Recording.objects.filter(call=OuterRef("pk"), duration_s__gt=0)))
        .order_by("-created_at")
    )


def call_live_list(membership: Membership) -> QuerySet[Call]:
    """What goes on with the devices that the member may know of, and the own calls."""
    concerned = Q(started_by=membership.user) | Q(device__in=devices_visible(membership))
    calls = Call.objects.filter(concerned, household=membership.household, state__in=LIVE_STATES)
    return calls.select_related("device", "started_by")


def call_counts() -> dict[str, int]:
    """Live calls by state, of all households together."""
    with scopes_disabled():
        found = Call.objects.filter(state__in=LIVE_STATES).values_list("state").annotate(Count("pk"))
        return {state.value: 0 for state in LIVE_STATES} | dict(found)


def listening_copy_get(call: Call) -> ListeningCopy | None:
    return ListeningCopy.objects.filter(call=call).first()


def call_live_for_device(device: Device) -> Call | None:
    return (
        Call.objects.filter(device=device, state__in=LIVE_STATES)
        .select_related("device", "household", "started_by")
        .first()
    )


def call_live_of_user(*, user: User, device: Device) -> Call | None:
    """The call with this device in which the person is, on whatever page or phone."""
    call = call_live_for_device(device)
    return call if call and CallParticipant.objects.filter(call=call, user=user).exists() else None


def call_of_invite(*, user: User, device: Device, invite_id: str) -> Call | None:
    """The call that this request of the person began a moment ago."""
    if not invite_id:
        return None
    return (
        Call.objects.filter(
            started_by=user, device=device, invite_id=invite_id, created_at__gt=now() - INVITE_KNOWN
        )
        .select_related("device", "household", "started_by")
        .order_by("-created_at")
        .first()
    )


def call_away_list(call: Call) -> list[CallRole]:
    """The ends of a live call whose packets stopped."""
    if not call.is_live:
        return []
    lost = CallParticipant.objects.filter(call=call, lost_at__isnull=False).order_by("role")
    return [CallRole(role) for role in lost.values_list("role", flat=True)]


@dataclass(frozen=True)
class CallSound:
    """What there is to hear of a call. `state`: live, preparing, ready, or none."""

    state: str
    copy: ListeningCopy | None

    @property
    def is_settled(self) -> bool:
        return self.state in ("ready", "none")


def call_is_fresh(call: Call) -> bool:
    """It was connected and ended just now, so the worker may still have things to tell."""
    return call.connected_at is not None and call.ended_at is not None and now() - call.ended_at < FRESH


def call_sound(call: Call) -> CallSound:
    if call.is_live:
        return CallSound("live", None)
    copy = listening_copy_get(call)
    if copy is not None:
        return CallSound("ready", copy)
    # The worker may still be closing its files right after the end.
    is_recorded = Recording.objects.filter(call=call).exclude(state=RecordingState.LOST).exists()
    return CallSound("preparing" if is_recorded or call_is_fresh(call) else "none", None)


def calls_without_copy(since: datetime, until: datetime) -> QuerySet[Call]:
    """Ended in between, every file closed, and the listening copy is not there."""
    recordings = Recording.objects.filter(call=OuterRef("pk"))
    return Call.objects.filter(
        Exists(recordings.filter(state=RecordingState.FINISHED)),
        ~Exists(recordings.filter(state=RecordingState.WRITING)),
        ended_at__range=(since, until),
        listening_copy=None,
    )


def recordings_left_open(limit: datetime) -> QuerySet[Recording]:
    """Files that should have been closed by now: their call ended before `limit`."""
    return Recording.objects.filter(state=RecordingState.WRITING, call__ended_at__lt=limit).select_related(
        "call", "participant", "household"
    )


def recordings_of_worker(worker_id: str) -> QuerySet[Recording]:
    """Files that this worker opened and did not close."""
    return Recording.objects.filter(state=RecordingState.WRITING, worker_id=worker_id).select_related(
        "call", "participant", "household"
    )


def workers_with_calls() -> set[str]:
    """Ids of the workers that live calls are with."""
    return set(Call.objects.filter(state__in=LIVE_STATES).values_list("worker_id", flat=True).distinct())


def calls_not_with(call_ids: list[str], *, worker_id: str) -> dict[str, bool]:
    """Of these calls, those that this worker need not carry: True is over, False is with another worker."""
    rows = Call.objects.filter(public_id__in=call_ids).values_list("public_id", "state", "worker_id")
    found = {str(public_id): (state not in LIVE_STATES, holder) for public_id, state, holder in rows}
    return {
        call_id: found.get(call_id, (True, ""))[0]
        for call_id in call_ids
        if call_id not in found or found[call_id][0] or found[call_id][1] != worker_id
    }


def echo_is_for_hub(leg: CallParticipant) -> bool:
    """Whether the worker takes the echo out of this end: the household chose so for the device."""
    is_device = leg.device_id is not None and leg.device_id == leg.call.device_id
    return is_device and leg.call.device.echo_removal == EchoRemoval.HUB
