"""The worker's door to Django: news that come late, twice, or of nobody."""

import ast
import inspect
import uuid
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django_scopes import get_scope, scopes_disabled

from calls.events import recording_finalized
from calls.models import Call, CallParticipant, Recording, RecordingState
from calls.services import call_start
from common.clock import now
from devices.models import Device, DevicePresence
from households.record.audit import AuditKind, audit_list, audit_sentence
from media import hub, lease
from media.door import LegState, OpenedFile, RecordingFile
from media.hub import HubDoor
from media.stats import Measured
from protocol.quality import StatsSample
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast, device_go_online
from transcripts.tasks import capture_transcribe_task

KEY = bytes(range(32))
WITHOUT_ROWS = {"_worker_failed", "_worker_missed"}
pytestmark = [
    pytest.mark.integration,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("no_scope"),
]


async def leg_make(cast: Cast) -> CallParticipant:
    def make() -> CallParticipant:
        with scopes_disabled():
            device_go_online(cast.kitchen)
            call = call_start(membership=cast.anna, device=cast.kitchen)
            return call.participants.select_related("call").get(role="caller")

    async with FakeWorker():
        return await sync_to_async(make)()


def file_of(leg: CallParticipant) -> RecordingFile:
    return RecordingFile(
        call_id=leg.call.public_id,
        participant_id=leg.public_id,
        name="h/c/p.ogg",
        started_at_s=1_700_000_000.0,
        key=KEY,
        duration_s=2.0,
        size_bytes=10,
        packets_lost=0,
    )


async def test_a_recording_whose_beginning_nobody_heard_of_is_kept(cast: Cast) -> None:
    leg = await leg_make(cast)
    await HubDoor("fake-worker").recording_finished(file_of(leg))
    recording = await Recording.objects.aget()
    assert (recording.name, recording.state) == ("h/c/p.ogg", RecordingState.FINISHED)


async def test_news_of_an_end_are_told_in_its_household(cast: Cast) -> None:
    told: list[Any] = []

    def note(**_: Any) -> None:
        told.append(get_scope())

    leg = await leg_make(cast)
    recording_finalized.connect(note)
    try:
        await HubDoor("fake-worker").recording_finished(file_of(leg))
    finally:
        recording_finalized.disconnect(note)
    assert [scope["household"] for scope in told] == [cast.anna.household]


@pytest.mark.parametrize("module", [hub, lease])
def test_everything_that_is_told_says_whose_rows_it_needs(module: ModuleType) -> None:
    asked = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    told = {ast.unparse(node.args[0]) for node in asked if ast.unparse(node.func) == "tell"}
    silent = {name for name in told if not {"is_sweep", "household_of"} & set(vars(vars(module)[name]))}
    assert len(told) > 3
    assert silent <= WITHOUT_ROWS


async def test_the_echo_that_the_worker_removed_stands_at_the_device(cast: Cast) -> None:
    caller = await leg_make(cast)
    callee = await CallParticipant.objects.aget(call=caller.call, device=cast.kitchen)
    for leg, removed in ((caller, 12.0), (callee, 31.5), (callee, None)):
        measured = Measured(
            started_at_s=1_700_000_000.0,
            samples=(StatsSample(packets_received=50),),
            codec="audio/opus",
            path="",
            echo_return_loss_enhancement=removed,
        )
        await HubDoor("fake-worker").leg_measured(participant_id=leg.public_id, measured=measured)
    with scopes_disabled():
        presence = await DevicePresence.objects.aget(device=cast.kitchen)
    assert presence.echo_return_loss_enhancement == 31.5


async def test_news_of_a_participant_that_is_gone_are_no_error(cast: Cast) -> None:
    nobody = uuid.uuid4()
    await HubDoor("fake-worker").leg_state(
        leg_id=nobody, call_id=nobody, participant_id=nobody, state=LegState.CLOSED, reason=""
    )
    await HubDoor("fake-worker").recording_started(
        OpenedFile(call_id=nobody, participant_id=nobody, name="x.ogg", started_at_s=1.0, key=KEY)
    )
    assert await Recording.objects.acount() == 0


def refusing(times: int, function: Callable[..., None]) -> Callable[..., None]:
    """Fails so many times as PostgreSQL does while it restarts, then works."""
    left = [times]

    def run(*args: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise OperationalError("the database system is starting up")
        function(*args)

    run.__name__ = function.__name__
    return run


async def test_that_an_end_left_is_told_again_when_the_database_is_back(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    leg = await leg_make(cast)
    monkeypatch.setattr(hub, "NEWS_WAITS_S", (0.0, 0.0))
    monkeypatch.setattr(hub, "_leg_left", refusing(2, hub._leg_left))
    await HubDoor("fake-worker").leg_state(
        leg_id=leg.public_id, call_id=leg.call.public_id, participant_id=leg.public_id, state=LegState.CLOSED
    )
    call = await Call.objects.aget()
    assert not call.is_live


async def callee_of(caller: CallParticipant) -> CallParticipant:
    return await CallParticipant.objects.select_related("device__household").aget(
        call=caller.call, role="callee"
    )


async def test_a_device_is_known_by_the_keys_that_the_database_has_of_it(cast: Cast) -> None:
    door, caller = HubDoor("fake-worker"), await leg_make(cast)
    callee, call_id = await callee_of(caller), caller.call.public_id
    device, of_callee = cast.kitchen, {"call_id": call_id, "participant_id": callee.public_id}
    assert await door.leg_keys(**of_callee) == frozenset([device.fingerprint_sha256])
    await Device.objects.filter(pk=device.pk).aupdate(next_fingerprint_sha256="ab" * 32)
    assert await door.leg_keys(**of_callee) == frozenset([device.fingerprint_sha256, "ab" * 32])
    await Device.objects.filter(pk=device.pk).aupdate(revoked_at=now())
    assert await door.leg_keys(**of_callee) == frozenset()


async def test_people_and_foreign_devices_have_no_key_and_strangers_to_the_call_have_none_that_fits(
    cast: Cast,
) -> None:
    door, caller = HubDoor("fake-worker"), await leg_make(cast)
    callee, call_id = await callee_of(caller), caller.call.public_id
    assert await door.leg_keys(call_id=None, participant_id=None) is None
    assert await door.leg_keys(call_id=call_id, participant_id=caller.public_id) is None
    assert await door.leg_keys(call_id=call_id, participant_id=None) == frozenset()
    assert await door.leg_keys(call_id=call_id, participant_id=uuid.uuid4()) == frozenset()
    assert await door.leg_keys(call_id=uuid.uuid4(), participant_id=caller.public_id) == frozenset()
    assert await door.leg_keys(call_id=None, participant_id=caller.public_id) == frozenset()
    await Device.objects.filter(pk=cast.kitchen.pk).aupdate(kind="foreign", fingerprint_sha256="")
    assert await door.leg_keys(call_id=call_id, participant_id=callee.public_id) is None


async def test_while_the_database_is_away_the_keys_are_waited_for(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await leg_make(cast)
    callee = await callee_of(caller)
    look, left = hub._leg_keys, [3]

    def look_later(*args: Any) -> frozenset[str] | None:
        left[0] -= 1
        if left[0] >= 0:
            raise OperationalError("the database system is starting up")
        return look(*args)

    monkeypatch.setattr(hub, "FIRST_LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr(hub, "_leg_keys", look_later)
    keys = await HubDoor("fake-worker").leg_keys(
        call_id=caller.call.public_id, participant_id=callee.public_id
    )
    assert keys == frozenset([cast.kitchen.fingerprint_sha256])
    assert left == [-1]


async def test_a_refused_key_stands_in_the_record_of_the_household(cast: Cast) -> None:
    caller = await leg_make(cast)
    callee = await callee_of(caller)
    for participant_id in (callee.public_id, callee.public_id, caller.public_id, uuid.uuid4()):
        await HubDoor("fake-worker").key_refused(participant_id=participant_id)
    with scopes_disabled():  # once, however often somebody tries in one call
        entry = await audit_list(cast.anna.household).aget(kind=AuditKind.FINGERPRINT_REFUSED)
    assert audit_sentence(entry) == (
        "A connection as Kitchen speaker was refused: its key is not the claimed one."
    )


async def test_speech_that_nobody_can_write_down_is_refused_and_its_file_removed(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[Any] = []
    asked: list[Any] = []

    def away(*order: Any) -> bool:
        asked.append(order)
        return False

    async def hear(channel: str, message: Any) -> None:
        said.append((channel, message))

    monkeypatch.setattr(hub, "delay_now", away)
    monkeypatch.setattr(hub, "apush_channel", hear)
    file = tmp_path / "said.opus"
    file.write_bytes(b"x")
    await HubDoor("fake-worker").capture_finished(
        reply_channel="c", request_id="7", path=file, duration_s=1.0, language="de"
    )
    [(channel, error)] = said
    assert (channel, error.reply_to, error.code) == ("c", "7", "internal")
    assert not file.exists()
    assert asked == [(capture_transcribe_task, str(file), "de", "c", "7")]
