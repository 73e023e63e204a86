from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.speech.conftest import VOICE_ID
from tests.speech.model_hub import FakeModelHub

pytestmark = pytest.mark.integration


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("speech_models", *arguments, stdout=out)
    return out.getvalue()


def test_it_lists_what_is_there_and_what_can_be_had(models_root: Path) -> None:
    for listed in (run("list"), run()):
        there, to_download = listed.split("To download")
        assert "demo-voice" in there
        assert "demo quality, shipped, in use" in there
        assert "whisper-base" in to_download
        assert "148.0 MB" in to_download


def test_it_downloads_with_progress_and_then_lists_the_model_as_in_use(model_hub: FakeModelHub) -> None:
    out = run("download", VOICE_ID)
    assert "100 %  0.3 MB of 0.3 MB" in out
    assert "Linda (US English) is ready (0.3 MB)." in out
    (line,) = [line for line in run("list").splitlines() if VOICE_ID in line]
    assert line.endswith("in use")


def test_an_unknown_name_is_a_sentence_and_no_traceback(models_root: Path) -> None:
    with pytest.raises(CommandError, match="no speech model called “nobody” in the catalogue"):
        run("download", "nobody")


def test_it_finds_a_damaged_file(model_hub: FakeModelHub, models_root: Path) -> None:
    run("download", VOICE_ID)
    assert run("verify").count(": good") == 3
    with (models_root / VOICE_ID / f"{VOICE_ID}.onnx").open("ab") as file:
        file.write(b"!")
    with pytest.raises(CommandError, match="1 damaged"):
        run("verify")


def test_it_removes_a_model(model_hub: FakeModelHub, models_root: Path) -> None:
    run("download", VOICE_ID)
    assert run("remove", VOICE_ID) == f"{VOICE_ID} is removed.\n"
    assert not (models_root / VOICE_ID).exists()
    with pytest.raises(CommandError, match="is not installed"):
        run("remove", VOICE_ID)


def test_it_does_not_remove_what_is_part_of_the_program(models_root: Path) -> None:
    with pytest.raises(CommandError, match="part of the program"):
        run("remove", "demo-whisper")
