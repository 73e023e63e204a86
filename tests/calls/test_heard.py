"""Who heard a recording stands in the record of the household."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django_scopes import scope
from redis.exceptions import ConnectionError as RedisConnectionError

from calls.models import Call, ListeningCopy
from calls.recording.sounds import sound_path
from common.clock import now
from common.words import moment_words
from households.record.audit import AuditKind, audit_list, audit_sentence
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

HEARD = (AuditKind.RECORDING_PLAYED, AuditKind.RECORDING_DOWNLOADED)


@pytest.fixture
def audio(cast: Cast, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of a recording of Anna's."""
    monkeypatch.setattr(settings, "RECORDINGS_ROOT", tmp_path)
    with scope(household=cast.anna.household):
        call = Call.objects.create(
            household=cast.anna.household,
            device=cast.kitchen,
            started_by=cast.ben.user,
            state=CallState.ENDED,
            ended_at=now(),
        )
        ListeningCopy.objects.create(
            household=call.household, call=call, name="copy.m4a", duration_s=1, size_bytes=1, peaks={}
        )
    sound_path("copy.m4a").write_bytes(bytes(1000))
    return reverse("calls:audio", args=[call.public_id])


def told(cast: Cast) -> list[str]:
    """Without when the call was."""
    with scope(household=cast.anna.household):
        sentences = [audit_sentence(one) for one in audit_list(cast.anna.household).filter(kind__in=HEARD)]
        when = moment_words(Call.objects.get().created_at, "UTC")
    assert all(sentence.endswith(f" on {when}.") for sentence in sentences)
    return [sentence.replace(f" on {when}", "") for sentence in sentences]


def test_playing_in_many_parts_is_told_once_for_each_person(client: Client, cast: Cast, audio: str) -> None:
    client.force_login(cast.anna.user)
    for first in (0, 100, 500):
        assert client.get(audio, headers={"Range": f"bytes={first}-"}).status_code == 206
    assert told(cast) == ["Anna played the recording of a call by Ben with Kitchen speaker."]


def test_a_download_is_told_apart_and_has_a_name(client: Client, cast: Cast, audio: str) -> None:
    client.force_login(cast.anna.user)
    answer = client.get(f"{audio}?download")
    assert answer["Content-Disposition"].startswith('attachment; filename="kitchen-speaker-20')
    assert told(cast) == ["Anna downloaded the recording of a call by Ben with Kitchen speaker."]


def test_who_may_not_hear_it_leaves_no_line_and_neither_does_a_look_at_its_size(
    client: Client, cast: Cast, audio: str
) -> None:
    for member, status in ((cast.ben, 403), (cast.carla, 404)):
        client.force_login(member.user)
        assert client.get(audio).status_code == status
    client.force_login(cast.anna.user)
    assert client.head(audio).status_code == 200
    assert told(cast) == []


def test_while_redis_is_away_it_is_rather_told_twice(
    client: Client, cast: Cast, audio: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **kwargs: object) -> bool:
        raise RedisConnectionError

    monkeypatch.setattr(cache, "add", away)
    client.force_login(cast.anna.user)
    for _ in range(2):
        assert client.get(audio).status_code == 200
    assert len(told(cast)) == 2
