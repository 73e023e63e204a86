"""Who hung up is kept, however the hub heard of it, and the history says so to each reader."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scopes_disabled

from calls.ending.services import call_decline, call_end, call_leg_left
from calls.models import Call, CallParticipant
from calls.pushes import call_state_message as message_of
from calls.services import call_accept, call_leg_joined, call_start
from calls.workers.placement import worker_goodbye, worker_heartbeat
from common.clock import now
from households.models import Membership
from protocol.messages.calls import HUNG_UP, CallOutcome
from tests.plugin_cast import Cast, device_go_online

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def worker() -> Iterator[None]:
    worker_heartbeat(worker_id="w", leg_count=0)
    with scopes_disabled():
        yield
    worker_goodbye(worker_id="w")


def talk(cast: Cast, caller: Membership) -> Call:
    """A connected call with the kitchen."""
    device_go_online(cast.kitchen)
    call = call_start(membership=caller, device=cast.kitchen)
    call_accept(call=call)
    for role in ("caller", "callee"):
        call_leg_joined(leg=leg_of(call, role), worker_id="w")
    return Call.objects.get(pk=call.pk)


def leg_of(call: Call, role: str) -> CallParticipant:
    legs = CallParticipant.objects.select_related("call__device", "call__household")
    return legs.get(call=call, role=role)


def page_of(call: Call, client: Client, reader: Membership) -> str:
    client.force_login(reader.user)
    return client.get(reverse("calls:detail", args=[call.public_id])).content.decode()


def test_a_worker_that_closes_what_is_over_does_not_say_why_it_ended(cast: Cast, client: Client) -> None:
    call = talk(cast, cast.anna)
    call_end(call=call, by=leg_of(call, "caller"))
    for role in ("caller", "callee"):
        call_leg_left(leg=leg_of(call, role), reason="the call ended", worker_id="w")
    assert "Why the call ended" not in page_of(call, client, cast.anna)


@pytest.mark.parametrize("is_heard_by_worker", [True, False], ids=["connection closed", "message"])
@pytest.mark.parametrize(
    ("role", "words", "told"),
    [("caller", "You hung up", None), ("callee", "Kitchen speaker hung up", "Kitchen speaker hung up.")],
)
def test_a_hang_up_is_somebodys(
    cast: Cast, client: Client, role: str, words: str, told: str | None, is_heard_by_worker: bool
) -> None:
    call = talk(cast, cast.anna)
    if is_heard_by_worker:
        call_leg_left(leg=leg_of(call, role), reason=HUNG_UP, worker_id="w")
    else:
        call_end(call=call, by=leg_of(call, role))
    call.refresh_from_db()
    assert (call.outcome, call.reason, call.hung_up_by) == (CallOutcome.ANSWERED, "", role)
    assert message_of(call).reason == told
    page = page_of(call, client, cast.anna)
    assert words in page
    assert "The other side" not in page


@pytest.mark.parametrize(
    ("lost_s_ago", "ago_s", "lasted_s"),
    [(None, 5, 25), (None, 20, 22), (10, 12, 18), (10, 60, 12), (10, 0, 30)],
    ids=["unheard for a moment", "heard later", "lost", "lost later", "now"],
)
def test_a_call_ends_when_somebody_hung_up_as_far_as_the_hub_did_not_hear_him_after_that(
    cast: Cast, lost_s_ago: int | None, ago_s: int, lasted_s: int
) -> None:
    call = talk(cast, cast.anna)
    moment = now()
    Call.objects.update(connected_at=moment - timedelta(seconds=30))
    if lost_s_ago:
        lost_at = moment - timedelta(seconds=lost_s_ago)
        CallParticipant.objects.filter(call=call, role="caller").update(lost_at=lost_at)
    leg = leg_of(call, "caller")
    call_end(call=leg.call, by=leg, ago_s=ago_s)
    assert Call.objects.get(pk=call.pk).duration_s == pytest.approx(lasted_s, abs=0.9)


def test_others_read_who_it_was(cast: Cast, client: Client) -> None:
    call = talk(cast, cast.ben)
    call_end(call=call, by=leg_of(call, "caller"))
    page = page_of(call, client, cast.anna)
    assert "Ben hung up" in page
    assert "You hung up" not in page


def test_a_device_that_declines_too_late_hangs_up(cast: Cast) -> None:
    call = talk(cast, cast.anna)
    call_decline(call=call, outcome=CallOutcome.DECLINED)
    call.refresh_from_db()
    assert (call.outcome, call.hung_up_by) == (CallOutcome.ANSWERED, "callee")


def test_an_end_that_has_a_reason_is_no_hang_up(cast: Cast, client: Client) -> None:
    call = talk(cast, cast.anna)
    call_end(call=call, by=leg_of(call, "callee"), reason="Something in the device went wrong.")
    call.refresh_from_db()
    assert (call.reason, call.hung_up_by) == ("Something in the device went wrong.", "")
    assert "hung up" not in page_of(call, client, cast.anna)


@pytest.mark.parametrize(
    ("role", "s_ago", "hung_up_by"),
    [("caller", 2, ""), ("caller", 60, "caller"), ("callee", 2, "caller")],
    ids=["its own end says why", "too late", "another end"],
)
def test_a_connection_that_closed_is_no_hang_up_once_its_end_says_why(
    cast: Cast, role: str, s_ago: int, hung_up_by: str
) -> None:
    call = talk(cast, cast.anna)
    call_leg_left(leg=leg_of(call, "caller"), reason=HUNG_UP, worker_id="w")
    Call.objects.update(ended_at=now() - timedelta(seconds=s_ago))
    leg = leg_of(call, role)
    call_end(call=leg.call, by=leg, reason="The page of the call was closed.")
    call.refresh_from_db()
    assert call.hung_up_by == hung_up_by
    assert call.reason == ("" if hung_up_by else "The page of the call was closed.")


@pytest.mark.parametrize("role", ["caller", "callee"])
@pytest.mark.parametrize(
    ("since_s", "outcome"), [(1, CallOutcome.CANCELLED), (8, CallOutcome.FAILED)], ids=["early", "late"]
)
def test_whoever_hangs_up_before_the_sound_was_due_cancelled_the_call(
    cast: Cast, role: str, since_s: int, outcome: CallOutcome
) -> None:
    device_go_online(cast.kitchen)
    call = call_start(membership=cast.anna, device=cast.kitchen)
    call_accept(call=call)
    Call.objects.filter(pk=call.pk).update(accepted_at=now() - timedelta(seconds=since_s))
    call_end(call=Call.objects.get(pk=call.pk), by=leg_of(call, role))
    call.refresh_from_db()
    assert (call.outcome, call.hung_up_by) == (outcome, role)


def test_a_hang_up_that_is_heard_of_later_counts_from_when_it_was(cast: Cast) -> None:
    device_go_online(cast.kitchen)
    call = call_start(membership=cast.anna, device=cast.kitchen)
    call_accept(call=call)
    moment = now()
    Call.objects.filter(pk=call.pk).update(
        created_at=moment - timedelta(seconds=12), accepted_at=moment - timedelta(seconds=9)
    )
    leg = leg_of(call, "caller")
    call_end(call=leg.call, by=leg, ago_s=7)
    assert Call.objects.get(pk=call.pk).outcome == CallOutcome.CANCELLED


@pytest.mark.parametrize(
    ("was_accepted", "outcome"), [(True, CallOutcome.FAILED), (False, CallOutcome.CANCELLED)]
)
def test_a_call_that_passed_for_cancelled_had_failed_once_its_end_says_why(
    cast: Cast, was_accepted: bool, outcome: CallOutcome
) -> None:
    device_go_online(cast.kitchen)
    call = call_start(membership=cast.anna, device=cast.kitchen)
    if was_accepted:
        call_accept(call=call)
    call_end(call=call, by=leg_of(call, "caller"), reason=HUNG_UP)
    leg = leg_of(call, "caller")
    call_end(call=leg.call, by=leg, reason="The page of the call was closed.")
    call.refresh_from_db()
    assert (call.outcome, call.hung_up_by) == (outcome, "")
    assert call.reason == "The page of the call was closed."
