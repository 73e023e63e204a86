"""./start, with a Python that only writes down what it was asked."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from media.connection.cache import SOURCES
from tests.operate.hub_process import ROOT

pytestmark = pytest.mark.unit

PYTHON = """#!/bin/sh
echo "$*" >>calls
case "$*" in *media.connection.loop) exit "$(cat compiler-says)" ;; esac
"""
COMPILES, STARTS = "-m media.connection.loop", "manage.py up --demo"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    clone = tmp_path / "our clone"
    for name in ("requirements", "media/connection/__pycache__", ".venv/bin"):
        (clone / name).mkdir(parents=True)
    shutil.copy(ROOT / "start", clone)
    (clone / "requirements/install.sh").touch()
    (clone / "compiler-says").write_text("0")
    python = clone / ".venv/bin/python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    for name in ("media/packets.py", "protocol/audio.py", "sound/opus.py", ".venv/.installed-hub-agent"):
        (clone / name).parent.mkdir(exist_ok=True)
        (clone / name).touch()
    (clone / "media/connection/direct.py").touch()
    return clone


def start(clone: Path) -> list[str]:
    """What it asked Python for."""
    (clone / "calls").write_text("")
    done = subprocess.run([clone / "start", "--demo"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return (clone / "calls").read_text().splitlines()


@pytest.mark.parametrize(
    "changed", ["media/connection/direct.py", "sound/opus.py", ".venv/.installed-hub-agent"]
)
def test_it_compiles_at_first_and_after_a_change(clone: Path, changed: str) -> None:
    assert start(clone) == [COMPILES, STARTS]
    assert start(clone) == [STARTS]
    later_s = time.time() + 5
    os.utime(clone / changed, (later_s, later_s))
    assert start(clone) == [COMPILES, STARTS]


def test_it_looks_at_all_that_machine_code_is_made_of() -> None:
    assert f'sources="{" ".join(SOURCES)}"' in (ROOT / "start").read_text()


def test_a_compiler_that_fails_stops_no_start(clone: Path) -> None:
    (clone / "compiler-says").write_text("1")
    assert start(clone) == [COMPILES, STARTS]
    assert start(clone) == [COMPILES, STARTS]


def test_a_folder_that_cannot_be_written_stops_no_start(clone: Path) -> None:
    (clone / "media/connection/__pycache__").rmdir()
    (clone / "media/connection/__pycache__").touch()  # so that not even root can make anything in it
    assert start(clone) == [COMPILES, STARTS]
    assert start(clone) == [COMPILES, STARTS]
