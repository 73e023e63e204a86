"""The media worker's machine code: made with the image, and with the first `./start`; found where nobody may write."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.operate.hub_process import ROOT

pytestmark = pytest.mark.integration

DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
_, BUILD, FINAL = DOCKERFILE.split("\nFROM ")
# Root without the right to write everywhere; anybody else has none.
AS_NOBODY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


def environment_of(stage: str) -> dict[str, str]:
    """Its settings for numba."""
    return dict(re.findall(r"^(?:ENV| {3}) (NUMBA_\w+)=(\S+)", stage, re.MULTILINE))


def run(
    words: list[str | Path], app: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    usual = {"PATH": f"{app.parent / 'bin'}:/usr/bin:/bin", "HOME": "/dev/null", "NUMBA_DEBUG_CACHE": "1"}
    return subprocess.run(
        words, cwd=app, env=usual | dict(environment), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """/app of the image as the Dockerfile's command leaves it: nobody may write there. `python` only compiles."""
    app = tmp_path_factory.mktemp("image") / "app"
    for name in ("docker", "media", "protocol", "sound"):
        shutil.copytree(ROOT / name, app / name, ignore=shutil.ignore_patterns("__pycache__"))
    python = app.parent / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\necho "python $*"\nexec {sys.executable} -m media.connection.loop\n')
    python.chmod(0o755)
    command = re.search(r"NUMBA_CACHE_DIR=(\S+) /venv/bin/python (-m media\S+)$", DOCKERFILE, re.MULTILINE)
    assert command
    folder = {"NUMBA_CACHE_DIR": command[1].replace("/app", str(app))}
    built = run([sys.executable, *command[2].split()], app, environment_of(BUILD) | folder)
    assert (built.returncode, "data saved" in built.stdout) == (0, True), built.stderr
    writable = [path for path in (app, *app.rglob("*")) if path.is_dir()]
    for path in writable:
        path.chmod(0o555)
    yield app
    for path in writable:
        path.chmod(0o755)


def test_a_media_worker_of_the_image_starts_without_compiling(app: Path, tmp_path: Path) -> None:
    environment = environment_of(FINAL)
    assert environment["NUMBA_CACHE_DIR"].startswith("/tmp/")
    environment["NUMBA_CACHE_DIR"] = str(tmp_path / "compiled")
    done = run([*AS_NOBODY, app / "docker" / "entrypoint", "media"], app, environment)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.startswith("python -m media\n")
    assert done.stdout.count("data loaded") >= 2
    assert "saved" not in done.stdout
    assert not list(app.rglob("__pycache__/*.nbi"))


def test_a_media_worker_that_may_write_nowhere_says_so_and_starts(app: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "python $*"\n')
    python.chmod(0o755)
    folder = {"NUMBA_CACHE_DIR": str(app / "nowhere"), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = run([*AS_NOBODY, app / "docker" / "entrypoint", "media"], app, folder)
    assert (done.stdout, done.returncode) == ("python -m media\n", 0)
    assert "cannot be written, so the media worker compiles first" in done.stderr
