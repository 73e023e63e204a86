"""How the connection was, in a sentence and curves, and who is to blame."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from calls.models import Call, CallBreak, CallParticipant, LegStatistics, Measurer, ParticipantRole
from calls.quality.connection import Connection
from calls.quality.curves import charts_of
from calls.quality.measurements import Way, samples_store
from calls.quality.selectors import call_connection
from common.clock import now
from protocol.messages.calls import CallOutcome, CallState
from protocol.quality import StatsSample
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

CLEAN: dict[str, float] = {"packets_received": 50, "jitter_s": 0.002, "round_trip_time_s": 0.02}


def call_make(cast: Cast, *, minutes: float = 10) -> tuple[Call, CallParticipant, CallParticipant]:
    """An answered call that just ended, with Anna and her kitchen."""
    ended = now() - timedelta(minutes=1)
    home = cast.anna.household
    with scopes_disabled():
        call = Call.objects.create(
            household=home,
            device=cast.kitchen,
            started_by=cast.anna.user,
            state=CallState.ENDED,
            outcome=CallOutcome.ANSWERED,
            connected_at=ended - timedelta(minutes=minutes),
            ended_at=ended,
        )
        anna, kitchen = (
            CallParticipant.objects.create(household=home, call=call, role=role, display_name=name)
            for role, name in ((ParticipantRole.CALLER, "Anna"), (ParticipantRole.CALLEE, "Kitchen speaker"))
        )
    return call, anna, kitchen


def measure(
    leg: CallParticipant,
    measurer: Measurer,
    seconds: int = 600,
    *,
    during: range = range(0),
    other: Mapping[str, float] | None = None,
    from_s: float = 0,
) -> None:
    """Clean seconds of the call, with `other` values during some."""
    samples = [
        StatsSample.model_validate(CLEAN | (dict(other or {}) if second in during else {}))
        for second in range(seconds)
    ]
    begin_at = leg.call.connected_at
    assert begin_at is not None
    with scopes_disabled():
        samples_store(
            leg=leg,
            measurer=measurer,
            started_at=begin_at + timedelta(seconds=from_s),
            samples=samples,
            way=Way(codec="audio/opus", path="host relay udp"),
        )


def break_make(call: Call, *, at_s: float, lasted_s: float) -> None:
    """The hub's own fault."""
    if call.connected_at is None:
        raise ValueError("a call without sound")
    began_at = call.connected_at + timedelta(seconds=at_s)
    ended_at = began_at + timedelta(seconds=lasted_s)
    with scopes_disabled():
        CallBreak.objects.create(household=call.household, call=call, began_at=began_at, ended_at=ended_at)


def connection_of(call: Call) -> Connection:
    with scope(household=call.household):
        found = call_connection(call)
    assert found is not None
    return found


def test_a_clean_call_was_very_good(cast: Cast) -> None:
    call, anna, kitchen = call_make(cast)
    for leg in (anna, kitchen):
        measure(leg, Measurer.HUB)
        measure(leg, Measurer.END)
    assert connection_of(call).sentence == "Very good the whole time."


def test_the_sentence_names_the_end_the_trouble_and_the_time(cast: Cast) -> None:
    call, anna, kitchen = call_make(cast)
    loss = {"packets_received": 40, "packets_lost": 10}
    measure(anna, Measurer.HUB, during=range(240, 280), other=loss)
    measure(kitchen, Measurer.HUB)
    measure(kitchen, Measurer.END, during=range(240, 280), other=loss)  # a forwarded gap is heard there
    found = connection_of(call)
    assert found.sentence == "Good for 9:20 of 10:00 minutes. Anna's sound broke up around 4:00."
    by_name = {end.name: end for end in found.ends}
    assert max(window.lost_percent or 0 for window in by_name["Kitchen speaker"].windows) == 0


def test_a_few_bad_seconds_do_not_sound_like_a_bad_minute(cast: Cast) -> None:
    call, anna, _ = call_make(cast, minutes=178 / 60)
    measure(anna, Measurer.HUB, 178, during=range(60, 64), other={"packets_lost": 20})
    assert connection_of(call).sentence.startswith("Good for 2:54 of 2:58 minutes. ")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"round_trip_time_s": 1.2}, "speaker's sound came late"),
        ({"jitter_s": 0.4}, "speaker's sound came unevenly"),
        ({"packets_received": 0, "jitter_s": 0.0}, "speaker was cut off"),
    ],
)
def test_each_kind_of_trouble_has_its_words(cast: Cast, values: Mapping[str, float], words: str) -> None:
    call, anna, kitchen = call_make(cast, minutes=1)
    measure(anna, Measurer.HUB, 60)
    measure(kitchen, Measurer.HUB, 60, during=range(30, 40), other=values)
    sentence = connection_of(call).sentence
    assert sentence == f"Good for 50 of 60 seconds. Kitchen {words} around 0:30."


def test_a_bad_line_is_said_to_be_bad_again_and_again(cast: Cast) -> None:
    call, anna, _ = call_make(cast)
    measure(anna, Measurer.HUB, during=range(0, 600), other={"packets_lost": 20})
    assert connection_of(call).sentence == "Weak the whole time. Anna's sound broke up again and again."


def test_of_several_troubles_the_worst_is_named(cast: Cast) -> None:
    call, anna, kitchen = call_make(cast, minutes=1)
    measure(kitchen, Measurer.HUB, 60)
    tiny, heavy = {"packets_lost": 3}, {"packets_lost": 10}
    measure(anna, Measurer.HUB, 30, during=range(0, 2), other=tiny)
    measure(anna, Measurer.HUB, 30, during=range(26, 28), other=heavy, from_s=30)
    assert connection_of(call).sentence == (
        "Good for 56 of 60 seconds. Anna's sound broke up twice, worst around 0:56."
    )


def test_what_the_hub_did_is_not_blamed_on_the_ends_and_every_break_counts(cast: Cast) -> None:
    call, anna, kitchen = call_make(cast, minutes=1)
    silent = {"packets_received": 0, "concealed_samples": 48_000, "total_samples_received": 48_000}
    for leg, first in ((anna, 12), (kitchen, 9)):  # an end's seconds may stand a little early
        measure(leg, Measurer.END, 60, during=range(first, first + 2), other=silent)
        measure(leg, Measurer.HUB, 12)  # what the killed worker had measured, and the next one
    break_make(call, at_s=12.2, lasted_s=1.3)
    assert connection_of(call).sentence == (
        "Good for 59 of 60 seconds. A part of the hub failed around 0:12: nobody was heard for 1.3 s."
    )
    break_make(call, at_s=40, lasted_s=2.0)
    assert connection_of(call).sentence == (
        "Good for 57 of 60 seconds. A part of the hub failed twice, first around 0:12: "
        "nobody was heard for 3.3 s in all."
    )


def test_an_end_that_was_away_after_the_hub_had_failed_is_named_too(cast: Cast) -> None:
    call, anna, kitchen = call_make(cast, minutes=1)
    measure(anna, Measurer.HUB, 60)
    measure(kitchen, Measurer.HUB, 60, during=range(40, 44), other={"packets_received": 0})
    break_make(call, at_s=12, lasted_s=1.0)
    assert connection_of(call).sentence == (
        "Good for 55 of 60 seconds. A part of the hub failed around 0:12: nobody was heard for 1.0 s. "
        "Kitchen speaker was cut off around 0:40."
    )


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(4 / 60, "The call was too short to tell."), (1, "Too little was measured to tell.")],
)
def test_nothing_is_judged_by_a_few_seconds(cast: Cast, minutes: float, words: str) -> None:
    call, anna, kitchen = call_make(cast, minutes=minutes)
    for leg in (anna, kitchen):
        measure(leg, Measurer.END, 4, during=range(1), other={"packets_lost": 40})
    assert connection_of(call).sentence == words
    break_make(call, at_s=1.4, lasted_s=0.6)
    assert connection_of(call).sentence == (
        f"{words} A part of the hub failed around 0:01: nobody was heard for 0.6 s."
    )


def test_five_seconds_of_one_direction_are_enough_to_judge(cast: Cast) -> None:
    call, anna, _ = call_make(cast, minutes=5 / 60)
    measure(anna, Measurer.HUB, 5, during=range(5), other={"packets_lost": 20})
    assert connection_of(call).sentence == "Weak the whole time. Anna's sound broke up again and again."


def test_each_time_that_an_end_was_gone_is_counted(cast: Cast) -> None:
    call, anna, kitchen = call_make(cast, minutes=1)
    measure(anna, Measurer.HUB, 60)
    away = {"packets_received": 0}
    measure(kitchen, Measurer.HUB, 30, during=range(10, 12), other=away)
    measure(kitchen, Measurer.HUB, 30, during=range(20, 26), other=away, from_s=30)
    assert connection_of(call).sentence == (
        "Good for 52 of 60 seconds. Kitchen speaker was cut off twice, longest around 0:50."
    )


def test_the_curves_show_where_the_hub_failed(cast: Cast) -> None:
    call, anna, _ = call_make(cast, minutes=1)
    measure(anna, Measurer.HUB, 60)
    break_make(call, at_s=12, lasted_s=3.0)
    break_make(call, at_s=59.9, lasted_s=0.1)
    for chart in charts_of(connection_of(call)):
        assert [(one.x, one.width) for one in chart.failures] == [("120.0", "30.0"), ("594.0", "6.0")]


def test_the_curves_have_one_line_for_each_end_and_gaps_where_nothing_was_measured(cast: Cast) -> None:
    call, anna, kitchen = call_make(cast, minutes=1)
    measure(anna, Measurer.HUB, 60, during=range(30, 35), other={"packets_lost": 50})
    measure(kitchen, Measurer.HUB, 20)
    loss, jitter, round_trip = charts_of(connection_of(call))
    assert (loss.title, loss.term, loss.top) == ("Sound that got lost", "packet loss", "50 %")
    by_name = {line.name: line for line in loss.lines}
    assert by_name["Anna"].most == "50 %"
    assert by_name["Anna"].d.count("H") == 30
    assert by_name["Kitchen speaker"].d.count("H") == 10
    assert " 0.0H" in by_name["Anna"].d  # the top
    assert (jitter.top, round_trip.top) == ("20 ms", "100 ms")
    assert not loss.gaps  # somebody measured all the time


def test_a_failure_of_the_hub_leaves_no_longer_a_hole_than_it_must_and_the_hole_is_shown(
    cast: Cast, client: Client
) -> None:
    """A second that went well before and after it is nobody's fault, and it was measured."""
    call, anna, kitchen = call_make(cast, minutes=1)
    silent = {"packets_received": 0, "concealed_samples": 48_000, "total_samples_received": 48_000}
    for leg in (anna, kitchen):
        measure(leg, Measurer.END, 60, during=range(42, 44), other=silent)
    break_make(call, at_s=42.1, lasted_s=0.6)
    for chart in charts_of(connection_of(call)):
        assert [(gap.x, gap.width) for gap in chart.gaps] == [("420.0", "20.0")]
        assert [line.d.count("H") for line in chart.lines] == [29, 29]
    client.force_login(cast.anna.user)
    shown = client.get(reverse("calls:detail", args=[call.public_id])).content.decode()
    assert shown.count("<title>not measured</title>") == 3


def test_what_is_left_over_of_the_last_window_is_no_hole(cast: Cast) -> None:
    call, anna, _ = call_make(cast, minutes=67.4 / 60)
    measure(anna, Measurer.HUB, 66, from_s=0.9)
    found = connection_of(call)
    assert len(found.ends[0].windows) == 33
    assert not any(chart.gaps for chart in charts_of(found))


def test_a_call_without_measurements_shows_no_fold(cast: Cast, client: Client) -> None:
    call, anna, _ = call_make(cast)
    client.force_login(cast.anna.user)
    page = reverse("calls:detail", args=[call.public_id])
    assert "How the connection was" not in client.get(page).content.decode()
    measure(anna, Measurer.HUB)
    shown = client.get(page).content.decode()
    assert "How the connection was" in shown
    assert "You were connected through a relay <small>(UDP, Opus)</small>." in shown
    assert "Very good the whole time." in shown


def test_while_a_call_lasts_its_page_waits_for_the_fold(cast: Cast, client: Client) -> None:
    call, anna, _ = call_make(cast)
    measure(anna, Measurer.HUB)
    with scopes_disabled():
        Call.objects.update(state=CallState.CONNECTED, ended_at=None)
        assert LegStatistics.objects.count() == 10
    client.force_login(cast.anna.user)
    part = client.get(reverse("calls:connection", args=[call.public_id])).content.decode()
    assert "hub:call_end" in part
    assert "How the connection was" not in part
