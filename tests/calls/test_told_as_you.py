"""Whoever made a call reads of it as "you"; everybody else reads the name."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from calls.ending.services import call_end, call_fail, call_lost_reason
from calls.models import Call, CallParticipant, Measurer, ParticipantRole, Recording
from common.clock import now
from devices.models import Loan
from devices.sharing.loans import loan_end
from devices.sharing.rules import rules_save
from households.models import Membership
from households.people.members import member_remove, role_change
from households.roles import Permission, Role
from protocol.messages.calls import CallOutcome, CallState
from tests.calls.test_connection import call_make, measure
from tests.plugin_cast import Cast, guest_make, loan_make
from transcripts.models import Transcript, TranscriptSegment, TranscriptState

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def live_call(cast: Cast, caller: Membership) -> Call:
    with scope(household=caller.household):
        call = Call.objects.create(
            household=caller.household,
            device=cast.kitchen,
            started_by=caller.user,
            state=CallState.CONNECTED,
            connected_at=now() - timedelta(minutes=3),
            accepted_at=now() - timedelta(minutes=3),
        )
        for role, name in (
            (ParticipantRole.CALLER, caller.user.name),
            (ParticipantRole.CALLEE, cast.kitchen.name),
        ):
            CallParticipant.objects.create(household=call.household, call=call, role=role, display_name=name)
    return call


def browser_of(reader: Membership) -> Client:
    client = Client()
    client.force_login(reader.user, "django.contrib.auth.backends.ModelBackend")
    return client


def pages(reader: Membership, call: Call) -> tuple[str, str]:
    """The list and the call's own page, as somebody reads them."""
    client = browser_of(reader)
    in_list, on_page = (
        client.get(reverse(f"calls:{name}", args=args)).content.decode().split("<main")[1]
        for name, args in (("list", []), ("detail", [call.public_id]))
    )
    return " ".join(in_list.split()), " ".join(on_page.split())


def test_a_guest_is_you_in_the_own_list_and_gil_in_annas(cast: Cast) -> None:
    gil = guest_make(cast)
    call = live_call(cast, gil)
    with scope(household=gil.household):
        call_end(call=call, by=call.participants.get(role=ParticipantRole.CALLER))
    for page in pages(gil, call):
        assert "You" in page
        assert "Gil" not in page
    assert "You called," in pages(gil, call)[1]
    assert "You hung up" in pages(gil, call)[1]
    assert "Guests do not hear recordings." in pages(gil, call)[1]
    for page in pages(cast.anna, call):
        assert "Gil" in page
        assert "You " not in page


def end_by_loan(call: Call, cast: Cast, caller: Membership) -> None:
    loan = loan_make(cast.kitchen, caller, can_talk=True)
    loan_end(
        loan=Loan.objects.select_related("member__user", "device", "household").get(pk=loan.pk),
        by=cast.anna.user,
    )


def end_by_silence(call: Call, cast: Cast, caller: Membership) -> None:
    leg = call.participants.get(role=ParticipantRole.CALLER)
    call_fail(call=call, outcome=CallOutcome.FAILED, reason=call_lost_reason(leg))


def end_by_silence_of_the_device(call: Call, cast: Cast, caller: Membership) -> None:
    leg = call.participants.get(role=ParticipantRole.CALLEE)
    call_fail(call=call, outcome=CallOutcome.FAILED, reason=call_lost_reason(leg))


@pytest.mark.parametrize(
    ("end", "to_gil", "to_anna"),
    [
        (
            end_by_loan,
            "Kitchen speaker was no longer lent to you.",
            "Kitchen speaker was no longer lent to Gil.",
        ),
        (
            end_by_silence,
            "Your connection was lost and did not come back.",
            "The connection to Gil was lost and did not come back.",
        ),
        (
            end_by_silence_of_the_device,
            "The connection to Kitchen speaker was lost and did not come back.",
            "The connection to Kitchen speaker was lost and did not come back.",
        ),
    ],
)
def test_why_it_ended_is_told_to_each_reader(
    cast: Cast, end: Callable[[Call, Cast, Membership], None], to_gil: str, to_anna: str
) -> None:
    gil = guest_make(cast)
    call = live_call(cast, gil)
    with scope(household=gil.household):
        end(call, cast, gil)
    for reader, words in ((gil, to_gil), (cast.anna, to_anna)):
        in_list, on_page = pages(reader, call)
        assert f"Why it ended: {words}" in in_list
        assert f"Why the call ended: {words}" in on_page


def test_whoever_may_not_call_any_more_reads_it_as_you(cast: Cast) -> None:
    with scopes_disabled():
        call = live_call(cast, cast.ben)
        rules_save(membership=cast.anna, place=cast.kitchen, named={Permission.CALL: [cast.anna]})
    assert "Why it ended: You were no longer allowed to call Kitchen speaker." in pages(cast.ben, call)[0]


def test_whoever_was_made_a_guest_reads_that_of_the_call_that_ended_by_it(cast: Cast) -> None:
    with scopes_disabled():
        call = live_call(cast, cast.ben)
        role_change(member=cast.ben, role=Role.GUEST, by=cast.anna)
    assert "Why it ended: Anna made you a guest in Lake House." in pages(cast.ben, call)[0]
    assert "Why it ended: Anna made Ben a guest in Lake House." in pages(cast.anna, call)[0]


def test_whoever_was_removed_and_is_back_reads_what_was(cast: Cast) -> None:
    with scopes_disabled():
        call = live_call(cast, cast.ben)
        member_remove(member=cast.ben, by=cast.anna)
        again = Membership.objects.create(
            user=cast.ben.user, household=cast.ben.household, role=Role.ADULT, consented_at=now()
        )
    assert "Why it ended: You no longer belonged to Lake House." in pages(again, call)[0]
    assert "Why it ended: Ben no longer belonged to Lake House." in pages(cast.anna, call)[0]


def test_a_device_that_has_the_name_of_its_caller_is_not_taken_for_them(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        call = live_call(cast, cast.anna)
        CallParticipant.objects.filter(call=call).update(display_name="Anna")
        end_by_silence_of_the_device(call, cast, cast.anna)
    assert "The connection to Anna was lost" in pages(cast.anna, call)[1]


@pytest.mark.parametrize(
    ("values", "to_anna", "to_ben"),
    [
        ({"packets_lost": 20}, "Your sound broke up around", "Anna&#x27;s sound broke up around"),
        ({"packets_received": 0}, "You were cut off around", "Anna was cut off around"),
    ],
)
def test_the_connection_of_the_reader_is_theirs(
    cast: Cast, values: Mapping[str, float], to_anna: str, to_ben: str
) -> None:
    call, anna, kitchen = call_make(cast, minutes=1)
    measure(anna, Measurer.HUB, 60, during=range(30, 40), other=values)
    measure(kitchen, Measurer.HUB, 60)
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    for reader, trouble, way, line in (
        (cast.anna, to_anna, "You were connected through a relay", "You: at most"),
        (cast.ben, to_ben, "Anna was connected through a relay", "Anna: at most"),
    ):
        page = pages(reader, call)[1]
        for words in (trouble, way, line, "Kitchen speaker was connected through a relay"):
            assert words in page


def test_what_the_reader_said_stands_below_you(cast: Cast) -> None:
    call, anna, _ = call_make(cast)
    with scope(household=call.household):
        recording = Recording.objects.create(
            household=call.household, call=call, participant=anna, name="a.ogg", started_at=call.connected_at
        )
        transcript = Transcript.objects.create(
            household=call.household, recording=recording, state=TranscriptState.READY
        )
        TranscriptSegment.objects.create(
            household=call.household, transcript=transcript, start_s=1, end_s=2, text="Soup"
        )
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    for reader, name in ((cast.anna, "You"), (cast.ben, "Anna")):
        client = browser_of(reader)
        page = client.get(reverse("transcripts:partial", args=[call.public_id])).content.decode()
        assert f"<h3>{name}</h3>" in page
