import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytest_django.fixtures import Settings

from common import speech_models
from common.speech_models import DownloadFailed, Kind, ModelMissing, Progress, download, progress_read
from common.speech_models.progress import State
from tests.speech.conftest import VOICE_ID
from tests.speech.model_hub import FakeModelHub

pytestmark = pytest.mark.integration


def test_it_installs_a_model_and_then_prefers_it(model_hub: FakeModelHub, models_root: Path) -> None:
    assert speech_models.chosen(Kind.VOICE).is_demo
    model = download(VOICE_ID)
    assert model.folder == models_root / VOICE_ID
    assert sorted(path.name for path in model.folder.iterdir()) == [
        "MODEL.json",
        "MODEL_CARD",
        f"{VOICE_ID}.onnx",
        f"{VOICE_ID}.onnx.json",
    ]
    assert speech_models.chosen(Kind.VOICE) == speech_models.find(VOICE_ID)
    speech_models.verify(model)


def test_it_tells_how_far_it_is(model_hub: FakeModelHub) -> None:
    seen: list[Progress] = []
    download(VOICE_ID, seen.append)
    assert [progress.state for progress in seen][-2:] == [State.CHECKING, State.READY]
    assert seen[-1].received_bytes == seen[-1].total_bytes == 302_000
    assert seen[-1].percent == 100
    (stored,) = progress_read(time.time())
    assert stored == seen[-1]


def test_it_goes_on_after_a_cut_connection(model_hub: FakeModelHub) -> None:
    model_hub.cut_after = [100_000, 150_000]
    model = download(VOICE_ID)
    speech_models.verify(model)
    ranges = [wanted for command, _path, wanted in model_hub.requests if command == "GET" and wanted]
    assert "bytes=100000-" in ranges
    assert "bytes=250000-" in ranges
    assert sum(model_hub.sent_bytes.values()) == 302_000  # nothing was sent twice


def test_a_later_attempt_continues_what_an_earlier_one_left(
    model_hub: FakeModelHub, models_root: Path
) -> None:
    partial = models_root / ".downloads" / VOICE_ID
    partial.mkdir(parents=True)
    (partial / f"{VOICE_ID}.onnx").write_bytes(b"\x01" * 200_000)
    download(VOICE_ID)
    assert sum(model_hub.sent_bytes.values()) == 102_000


def test_it_begins_again_when_the_beginning_is_another_file(
    model_hub: FakeModelHub, models_root: Path
) -> None:
    partial = models_root / ".downloads" / VOICE_ID
    partial.mkdir(parents=True)
    (partial / f"{VOICE_ID}.onnx").write_bytes(b"\x09" * 200_000)
    speech_models.verify(download(VOICE_ID))
    assert (models_root / VOICE_ID / f"{VOICE_ID}.onnx").read_bytes() == b"\x01" * 300_000


def test_a_server_without_ranges_is_read_from_the_start(model_hub: FakeModelHub) -> None:
    model_hub.without_ranges = True
    model_hub.cut_after = [100_000]
    seen: list[Progress] = []
    speech_models.verify(download(VOICE_ID, seen.append))
    assert seen[-1].received_bytes == 302_000


def test_a_wrong_checksum_is_refused_and_leaves_nothing_installed(
    model_hub: FakeModelHub, models_root: Path
) -> None:
    model_hub.wrong_checksum = True
    with pytest.raises(DownloadFailed, match="arrived damaged"):
        download(VOICE_ID)
    assert not (models_root / VOICE_ID).exists()
    assert speech_models.chosen(Kind.VOICE).is_demo
    (stored,) = progress_read(time.time())
    assert (stored.state, stored.reason) == (
        State.FAILED,
        f"{VOICE_ID}.onnx arrived damaged: its checksum is another one.",
    )


def test_no_network_is_said_in_a_sentence(models_root: Path, settings: Settings) -> None:
    with FakeModelHub() as hub:
        settings.SPEECH_MODELS_HUB_URL = hub.url  # and then it is gone
    with pytest.raises(
        DownloadFailed, match=r"cannot be reached. Is this machine connected to the internet\?"
    ):
        download(VOICE_ID)


def test_a_disk_without_room_is_said_before_anything_is_fetched(
    model_hub: FakeModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(DownloadFailed, match=r"50\.3 MB needed, 1\.0 MB free"):
        download(VOICE_ID)
    assert not model_hub.sent_bytes


def test_a_model_that_the_hub_took_away_is_said_so(model_hub: FakeModelHub) -> None:
    model_hub.files.clear()
    with pytest.raises(DownloadFailed, match="does not offer"):
        download(VOICE_ID)


def test_an_unknown_model_is_missing(models_root: Path) -> None:
    with pytest.raises(ModelMissing, match="no speech model called “nobody”"):
        download("nobody")


def test_a_second_download_fetches_nothing(model_hub: FakeModelHub) -> None:
    download(VOICE_ID)
    asked = len(model_hub.requests)
    assert download(VOICE_ID).id == VOICE_ID
    assert len(model_hub.requests) == asked


def test_two_at_once_do_not_write_the_same_file(model_hub: FakeModelHub) -> None:
    refused: list[str] = []

    def again(progress: Progress) -> None:
        if progress.state == State.DOWNLOADING and not refused:
            with pytest.raises(DownloadFailed) as caught:
                download(VOICE_ID)
            refused.append(str(caught.value))

    download(VOICE_ID, again)
    assert refused == [f"“{VOICE_ID}” is already being downloaded."]


def test_a_download_whose_process_died_is_told_as_interrupted(model_hub: FakeModelHub) -> None:
    seen: list[Progress] = []

    def dies(progress: Progress) -> None:
        seen.append(progress)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(VOICE_ID, dies)
    (now,) = progress_read(seen[0].updated_at_s + 1)
    (later,) = progress_read(seen[0].updated_at_s + 60)
    assert (now.state, later.state) == (State.DOWNLOADING, State.INTERRUPTED)


def test_a_damaged_installation_is_found_and_can_be_fetched_again(
    model_hub: FakeModelHub, models_root: Path
) -> None:
    model = download(VOICE_ID)
    (model.folder / "MODEL_CARD").write_text("another licence")
    with pytest.raises(speech_models.ModelDamaged, match="MODEL_CARD"):
        speech_models.verify(model)
    speech_models.remove(VOICE_ID)
    with pytest.raises(ModelMissing):
        speech_models.find(VOICE_ID)
    speech_models.verify(download(VOICE_ID))
