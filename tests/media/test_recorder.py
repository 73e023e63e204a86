import asyncio
import errno
import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import pytest

from media.packets import MicPacket
from media.recording.recorder import FileThread, Recorder, free_path
from media.recording.voicefile import VoiceFile
from protocol.audio import FRAME_SAMPLES, OPUS_SILENCE
from sealing.files import SealedReader, new_key
from sound.opus import OpusEncoder
from tests.fakes.peer import decoded, loudest_hz

pytestmark = pytest.mark.unit


def voice(
    *, frequency_hz: float = 440, count: int, start: int = 0, source: int = 1, at_s: float = 0.0
) -> list[MicPacket]:
    """Packets of a tone, 20 ms apart, the first arriving at `at_s`."""
    encoder = OpusEncoder()
    at = np.arange(count * FRAME_SAMPLES)
    wave = (12_000 * np.sin(2 * np.pi * frequency_hz * at / 48_000)).astype(np.int16)
    return [
        MicPacket(
            source=(source, 1),
            sequence_number=(start + n) & 0xFFFF,
            timestamp=(start + n) * FRAME_SAMPLES & 0xFFFF_FFFF,
            arrival_s=at_s + n * 0.02,
            payload=encoder.encode(frame),
        )
        for n, frame in enumerate(wave.reshape(-1, FRAME_SAMPLES))
    ]


def active(source: Path | BinaryIO) -> list[bool]:
    """For every 20 ms of the file: is there sound?"""
    samples = decoded(source)
    whole = samples[: samples.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return [bool(np.abs(frame).max() > 1500) for frame in whole]


def test_a_voice_that_begins_late_has_silence_before_it(tmp_path: Path) -> None:
    file = VoiceFile(tmp_path / "a.opus", started_at_s=100.0)
    file.write(voice(count=50, at_s=101.0))
    finished = file.finish(ended_at_s=103.0)
    assert finished.duration_s == pytest.approx(3.0, abs=0.02)
    found = active(tmp_path / "a.opus")
    assert not any(found[:49])
    assert all(found[52:98])
    assert not any(found[103:])


def test_a_short_loss_is_left_to_the_decoder_and_a_pause_is_silence(tmp_path: Path) -> None:
    packets = voice(count=100)
    lost = [p for p in packets if p.sequence_number not in (30, 31)]
    paused = [p._replace(timestamp=p.timestamp + 5 * FRAME_SAMPLES * (p.sequence_number >= 60)) for p in lost]
    file = VoiceFile(tmp_path / "a.opus", started_at_s=0.0)
    file.write(paused)
    file.finish(ended_at_s=2.1)
    with av.open(tmp_path / "a.opus") as container:
        payloads = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    assert payloads[30:32] == [payloads[29][:1]] * 2
    assert payloads[60:65] == [OPUS_SILENCE] * 5
    assert len(payloads) == 105 + 1


def test_gaps_stay_gaps_and_disorder_is_put_right(tmp_path: Path) -> None:
    packets = voice(count=150)
    arriving = [p for p in packets if not 50 <= p.sequence_number < 75]
    arriving[10], arriving[12] = arriving[12], arriving[10]
    arriving.insert(30, arriving[29])
    file = VoiceFile(tmp_path / "a.opus", started_at_s=0.0)
    for packet in arriving:
        file.write([packet])
    finished = file.finish(ended_at_s=3.0)
    assert finished.packets_lost == 25
    assert finished.duration_s == pytest.approx(3.0, abs=0.02)
    found = active(tmp_path / "a.opus")
    assert all(found[2:49])
    assert not any(found[53:74])
    assert all(found[77:149])
    assert loudest_hz(decoded(tmp_path / "a.opus")[: 48 * 980]) == pytest.approx(440, abs=2)


def test_a_new_connection_goes_on_in_the_same_file_at_its_own_time(tmp_path: Path) -> None:
    file = VoiceFile(tmp_path / "a.opus", started_at_s=0.0)
    file.write(voice(count=50, start=65_520))
    file.write(voice(count=50, start=3, source=2, at_s=2.0))
    file.finish(ended_at_s=3.0)
    found = active(tmp_path / "a.opus")
    assert all(found[2:49])
    assert not any(found[53:99])
    assert all(found[102:149])


def test_it_is_private_and_has_its_name_only_when_finished(tmp_path: Path) -> None:
    file = VoiceFile(tmp_path / "deep" / "a.opus", started_at_s=0.0)
    part = tmp_path / "deep" / "a.opus.part"
    assert part.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "deep" / "a.opus").exists()
    finished = file.finish(ended_at_s=0.0)
    assert not part.exists()
    assert finished.size_bytes == finished.path.stat().st_size


def test_malformed_packets_are_left_out(tmp_path: Path) -> None:
    file = VoiceFile(tmp_path / "a.opus", started_at_s=0.0)
    bad = MicPacket(source=(1, 1), sequence_number=0, timestamp=0, arrival_s=0.0, payload=b"\xfb\x3f")
    file.write([bad, *voice(count=20, start=1, at_s=0.02)])
    assert file.finish(ended_at_s=0.42).duration_s == pytest.approx(0.42, abs=0.02)
    assert file.packets_dropped == 1


async def test_a_disk_that_refuses_costs_the_recording_but_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file where a folder is needed")
    thread = FileThread()
    recorder = Recorder(thread, tmp_path / "folder" / "a.opus", started_at_s=0.0)
    for packet in voice(count=60):
        recorder.push(packet)
        recorder.tick(packet.arrival_s)
    assert await recorder.finish(ended_at_s=2.0) is None
    assert recorder.packets_dropped > 0
    await asyncio.to_thread(thread.close)


async def test_a_slow_disk_drops_packets_instead_of_filling_memory(tmp_path: Path) -> None:
    thread = FileThread()
    release = threading.Event()
    thread.submit(lambda: wait(release))
    while thread.submit(lambda: None):
        pass
    recorder = Recorder(thread, tmp_path / "a.opus", started_at_s=0.0)
    for packet in voice(count=400):
        recorder.push(packet)
        recorder.tick(packet.arrival_s)
    assert recorder.packets_dropped > 300
    release.set()
    await asyncio.to_thread(thread.close)


async def test_a_file_is_finished_also_where_the_queue_is_full(tmp_path: Path) -> None:
    thread = FileThread()
    recorder = Recorder(thread, tmp_path / "a.opus", started_at_s=0.0)
    for packet in voice(count=20):
        recorder.push(packet)
    release = threading.Event()
    thread.submit(lambda: wait(release))
    while thread.submit(lambda: None):
        pass
    finishing = asyncio.create_task(recorder.finish(ended_at_s=0.4))
    await asyncio.sleep(0)
    release.set()
    finished = await finishing
    assert finished is not None
    assert finished.duration_s == pytest.approx(0.4, abs=0.02)
    await asyncio.to_thread(thread.close)


async def test_what_comes_after_the_end_is_refused_and_nobody_waits_for_it(tmp_path: Path) -> None:
    thread = FileThread()
    recorder = Recorder(thread, tmp_path / "a.opus", started_at_s=0.0)
    await asyncio.to_thread(thread.close)
    await asyncio.to_thread(thread.close)
    assert not thread.submit(lambda: None)
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="closed"):
            await recorder.finish(ended_at_s=1.0)


async def test_whoever_asks_while_it_ends_has_an_answer() -> None:
    """The job is done, or refused; it never lies behind the end of the queue."""
    for _ in range(50):
        thread = FileThread()
        closing = asyncio.create_task(asyncio.to_thread(thread.close))
        async with asyncio.timeout(5):
            answers = [
                await asyncio.gather(thread.call(lambda: 1), return_exceptions=True) for _ in range(20)
            ]
        assert all(answer == 1 or isinstance(answer, RuntimeError) for [answer] in answers)
        await closing


def wait(release: threading.Event) -> None:
    release.wait(20)


@pytest.mark.parametrize("name", ["../a.opus", "/etc/a.opus", "a/../../b.opus", "", "."])
def test_a_name_outside_the_root_is_refused(tmp_path: Path, name: str) -> None:
    assert free_path(tmp_path / "root", name) is None


def test_a_taken_name_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.opus").touch()
    (tmp_path / "a-2.opus.part").touch()
    assert free_path(tmp_path, "a.opus") == tmp_path / "a-3.opus"


_WRITER = """
import sys, time, asyncio
sys.path.insert(0, {root!r})
from pathlib import Path
from media.recording.recorder import FileThread, Recorder
from tests.media.test_recorder import voice

async def main():
    packets = voice(count=200)
    start = time.monotonic()
    recorder = Recorder(FileThread(), Path(sys.argv[1]), started_at_s=start)
    for packet in packets:
        await asyncio.sleep(max(0, start + packet.sequence_number * 0.02 - time.monotonic()))
        recorder.push(packet._replace(arrival_s=time.monotonic()))
        recorder.tick(time.monotonic())
        if packet.sequence_number == 100:
            print("two seconds", flush=True)

asyncio.run(main())
"""


def test_a_killed_worker_leaves_a_playable_file(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER.format(root=root), str(tmp_path / "a.opus")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "two seconds\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    samples = decoded(tmp_path / "a.opus.part")
    assert 1.0 < samples.size / 48_000 < 2.2
    assert loudest_hz(samples) == pytest.approx(440, abs=3)


async def test_the_loop_is_not_held_up_by_a_late_joiner(tmp_path: Path) -> None:
    """Two hours of leading silence are written in the thread."""
    thread = FileThread()
    before = time.perf_counter()
    recorder = Recorder(thread, tmp_path / "a.opus", started_at_s=0.0)
    for packet in voice(count=60, at_s=7200.0):
        recorder.push(packet)
    pushed_s = time.perf_counter() - before
    finished = await recorder.finish(ended_at_s=7202.0)
    await asyncio.to_thread(thread.close)
    assert finished is not None
    assert finished.duration_s == pytest.approx(7202.0, abs=0.02)
    assert pushed_s < 0.5


def test_a_sealed_file_shows_nothing_on_the_disk_and_everything_to_its_key(tmp_path: Path) -> None:
    key, path = new_key(), tmp_path / "a.opus"
    file = VoiceFile(path, started_at_s=0.0, key=key)
    file.write(voice(count=100))
    finished = file.finish(ended_at_s=2.0)
    on_disk = path.read_bytes()
    assert finished.size_bytes == len(on_disk)
    assert b"OggS" not in on_disk
    assert b"Opus" not in on_disk
    with SealedReader(path.open("rb"), key) as reader:
        assert reader.is_whole
        assert loudest_hz(decoded(io.BufferedReader(reader))) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("key", [None, new_key()], ids=["plain", "sealed"])
def test_after_a_disk_that_was_full_the_file_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: bytes | None
) -> None:
    """A write that took half of a page and then failed leaves nothing of it behind."""
    path, packets, is_full = tmp_path / "a.opus", voice(count=150), [False]
    write = os.write

    def write_to_full_disk(file: int, data: bytes) -> int:
        if is_full[0] and len(data) > 100:
            return write(file, data[:100])
        if is_full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", write_to_full_disk)
    file = VoiceFile(path, started_at_s=0.0, key=key)
    file.write(packets[:50])
    is_full[0] = True
    with pytest.raises(OSError, match="No space"):
        file.write(packets[50:100])
    is_full[0] = False
    file.write(packets[100:])
    finished = file.finish(ended_at_s=3.0)
    assert finished.size_bytes == path.stat().st_size
    source = path.open("rb") if key is None else io.BufferedReader(SealedReader(path.open("rb"), key))
    with source:
        found = active(source)
    assert len(found) == pytest.approx(150, abs=2)
    assert all(found[2:49])
    assert all(found[103:149])
