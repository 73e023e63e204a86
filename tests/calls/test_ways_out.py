"""No address and no name leads from a recording to another file."""

from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from calls.models import Call, ListeningCopy
from calls.recording.sounds import sound_path
from common.clock import now
from media.recording.recorder import free_path
from protocol.messages.calls import CallState
from tests.calls.ways_out import decoded, ways_out
from tests.plugin_cast import Cast

pytestmark = pytest.mark.integration

CANARY = b"nobody may read this"
OWN, FOREIGN = b"said at home" * 10, b"said elsewhere" * 10


@pytest.fixture
def root(tmp_path: Path, settings: LazySettings) -> Path:
    """The folder of the recordings, with files around it that are none."""
    settings.RECORDINGS_ROOT = tmp_path / "recordings"
    for folder in (tmp_path, tmp_path / "recordings", tmp_path / "recordings-2"):
        folder.mkdir(exist_ok=True)
        (folder / "canary.txt").write_bytes(CANARY)
    return tmp_path / "recordings"


def call_make(cast: Cast, *, is_foreign: bool) -> Call:
    member, device = (cast.carla, cast.cellar) if is_foreign else (cast.anna, cast.kitchen)
    with scope(household=member.household):
        call = Call.objects.create(
            household=member.household, device=device, state=CallState.ENDED, ended_at=now()
        )
        name = f"{call.public_id}/listening.m4a"
        ListeningCopy.objects.create(
            household=call.household, call=call, name=name, duration_s=1, size_bytes=1, peaks={}
        )
    sound_path(name).parent.mkdir()
    sound_path(name).write_bytes(FOREIGN if is_foreign else OWN)
    return call


def ways(root: Path, count: int, *ids: str) -> list[str]:
    outside = [str(path) for path in sorted(root.parent.rglob("*.*"))]
    return ways_out(count, files=["etc/passwd", *outside, "recordings-2/canary.txt"], ids=ids)


def test_no_name_of_a_recording_leads_out_of_their_folder(root: Path) -> None:
    led_out = []
    strings = ways(root, 1000)
    for name in [*strings, *map(decoded, strings)]:
        for find in (sound_path, lambda name: free_path(root.resolve(), name)):
            with suppress(ValueError, OSError):  # refused, or no name at all
                path = find(name)
                if path is not None and not path.resolve().is_relative_to(root.resolve()):
                    led_out.append(name)
    assert led_out == []


@pytest.mark.django_db
def test_no_address_leads_from_a_recording_to_another_file(client: Client, cast: Cast, root: Path) -> None:
    own, foreign = call_make(cast, is_foreign=False), call_make(cast, is_foreign=True)
    client.force_login(cast.anna.user)
    url = reverse("calls:audio", args=[own.public_id])
    assert client.get(url).getvalue() == OWN
    client.raise_request_exception = False
    for way in ways(root, 160, str(foreign.public_id))[-60:]:
        for target in (f"/calls/{way}/audio/", url + way, f"{url}?download={way}"):
            answer = client.get(target)
            assert answer.status_code < 500, target
            assert not any(secret in answer.getvalue() for secret in (CANARY, FOREIGN, b"root:x:0")), target
