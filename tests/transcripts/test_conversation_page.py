"""The words of a call, as a part of its page."""

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from calls.models import Call, CallParticipant, ParticipantRole, Recording
from common.clock import now
from protocol.messages.calls import CallOutcome, CallState
from tests.plugin_cast import Cast
from transcripts.models import Transcript, TranscriptSegment, TranscriptState

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def transcript(cast: Cast) -> Transcript:
    household = cast.anna.household
    with scope(household=household):
        call = Call.objects.create(
            household=household,
            device=cast.kitchen,
            state=CallState.ENDED,
            outcome=CallOutcome.ANSWERED,
            ended_at=now(),
        )
        participant = CallParticipant.objects.create(
            household=household, call=call, role=ParticipantRole.CALLER, display_name="Anna"
        )
        recording = Recording.objects.create(
            household=household, call=call, participant=participant, name="a.ogg", started_at=now()
        )
        return Transcript.objects.create(household=household, recording=recording)


def _page(client: Client, transcript: Transcript) -> str:
    url = reverse("transcripts:partial", args=[transcript.recording.call.public_id])
    return client.get(url).content.decode()


@pytest.mark.parametrize(
    ("state", "reason", "words", "asks_again"),
    [
        (TranscriptState.QUEUED, "", "Queued.", True),
        (TranscriptState.RUNNING, "", "Listening and writing.", True),
        (TranscriptState.WAITING, "No speech recogniser is installed.", "Waiting for a speech model.", True),
        (TranscriptState.FAILED, "The recording cannot be read.", "Try again", False),
        (TranscriptState.READY, "", "Nobody spoke in this recording.", False),
    ],
)
def test_each_state_has_its_words(
    client: Client, cast: Cast, transcript: Transcript, state: str, reason: str, words: str, asks_again: bool
) -> None:
    with scope(household=cast.anna.household):
        Transcript.objects.update(state=state, reason=reason)
    client.force_login(cast.anna.user)
    page = _page(client, transcript)
    assert words in page
    assert reason in page
    assert ("every 3s" in page) is asks_again


def test_a_sentence_has_its_time_and_what_was_said_is_only_text(
    client: Client, cast: Cast, transcript: Transcript
) -> None:
    with scope(household=cast.anna.household):
        Transcript.objects.update(state=TranscriptState.READY, is_demo_model=True)
        TranscriptSegment.objects.create(
            household=cast.anna.household,
            transcript=transcript,
            start_s=65.25,
            end_s=67,
            text="<b>Soup</b> & bread",
        )
    client.force_login(cast.anna.user)
    page = _page(client, transcript)
    assert 'data-start="65.25"' in page
    assert "1:05" in page
    assert "&lt;b&gt;Soup&lt;/b&gt; &amp; bread" in page
    assert "Demo quality" in page


def test_a_failed_transcript_is_written_again(client: Client, cast: Cast, transcript: Transcript) -> None:
    with scope(household=cast.anna.household):
        Transcript.objects.update(state=TranscriptState.FAILED, attempt_count=4)
    client.force_login(cast.anna.user)
    url = reverse("transcripts:retry", args=[transcript.recording.call.public_id])
    assert "Queued." in client.post(url).content.decode()
    with scope(household=cast.anna.household):
        transcript.refresh_from_db()
    assert (transcript.state, transcript.attempt_count) == (TranscriptState.QUEUED, 0)


def test_nobody_else_reads_it(client: Client, cast: Cast, transcript: Transcript) -> None:
    for member, status in ((cast.carla, 404), (cast.ben, 403)):
        client.force_login(member.user)
        for name in ("partial", "retry"):
            url = reverse(f"transcripts:{name}", args=[transcript.recording.call.public_id])
            assert (client.get if name == "partial" else client.post)(url).status_code == status
