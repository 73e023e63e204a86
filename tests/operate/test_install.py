"""requirements/install.sh, with a Python and a uv that only write down what they were asked."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.operate.hub_process import ROOT

pytestmark = pytest.mark.unit

PYTHON = f"""#!/bin/sh
echo "python $*" >>"$(dirname "$0")/../calls"
case "$*" in "-m pip "*) exit 0 ;; esac
exec {sys.executable} "$@"
"""
UV = """#!/bin/sh
here=$(dirname "$0")/..
echo "uv $*" >>"$here/calls"
[ ! -e "$here/uv-fails" ]
"""
NO_VENV = f"""#!/bin/sh
case "$*" in *ensurepip*) exit 1 ;; esac
exec {sys.executable} "$@"
"""


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    clone = tmp_path / "our clone"
    requirements = clone / "requirements"
    requirements.mkdir(parents=True)
    shutil.copy(ROOT / "requirements" / "install.sh", requirements)
    for name in ("bootstrap", "hub", "agent"):
        (requirements / f"{name}.txt").write_text(f"{name}==1\n")
    return clone


@pytest.fixture
def prepared(clone: Path) -> Path:
    """With an environment that exists already."""
    program(clone / ".venv/bin/python", PYTHON)
    program(clone / ".venv/bin/uv", UV)
    return clone


def install(clone: Path, *, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path} if path else None
    return subprocess.run(
        ["/bin/sh", clone / "requirements/install.sh", "hub", "agent"],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def installations(clone: Path) -> list[str]:
    calls = (clone / ".venv/calls").read_text().splitlines()
    (clone / ".venv/calls").write_text("")
    return [line for line in calls if line.startswith(("uv", "python -m pip install"))]


def test_it_installs_pinned_and_hashed_in_one_resolution(prepared: Path) -> None:
    assert install(prepared).returncode == 0
    bootstrap, everything = installations(prepared)
    assert "--require-hashes -r requirements/bootstrap.txt" in bootstrap
    assert "--require-hashes -r requirements/hub.txt -r requirements/agent.txt" in everything


def test_a_second_run_installs_nothing_until_a_requirement_changes(prepared: Path) -> None:
    install(prepared)
    installations(prepared)
    assert install(prepared).stdout == ""
    assert installations(prepared) == []
    (prepared / "requirements/agent.txt").write_text("agent==2\n")
    install(prepared)
    assert len(installations(prepared)) == 1


def test_what_was_interrupted_is_done_again(prepared: Path) -> None:
    (prepared / ".venv/uv-fails").touch()
    assert install(prepared).returncode != 0
    installations(prepared)
    (prepared / ".venv/uv-fails").unlink()
    assert install(prepared).returncode == 0
    assert [call.split()[0] for call in installations(prepared)] == ["uv"]


def tools(clone: Path, python: str | None) -> str:
    """A PATH with the few tools that the script needs and, at most, one Python."""
    folder = clone / "tools"
    folder.mkdir()
    for name in ("dirname", "cat"):
        (folder / name).symlink_to(shutil.which(name) or "")
    if python:
        program(folder / "python3", python)
    return str(folder)


def test_without_python_one_line_says_how_to_get_it(clone: Path) -> None:
    done = install(clone, path=tools(clone, None))
    assert done.returncode == 1
    assert (
        done.stderr == "Python 3.11 or newer is needed. Install it: sudo apt install python3 python3-venv\n"
    )


def test_without_the_venv_module_one_line_says_how_to_get_it(clone: Path) -> None:
    done = install(clone, path=tools(clone, NO_VENV))
    assert done.returncode == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (
        done.stderr == f"Python's venv module is missing. Install it: sudo apt install python{version}-venv\n"
    )


@pytest.mark.parametrize("name", ["start", "test", ".ci/run", "requirements/install.sh", "docker/entrypoint"])
def test_every_script_is_posix_shell(name: str) -> None:
    assert (ROOT / name).read_text().startswith("#!/bin/sh\n")
    checked = subprocess.run(["/bin/sh", "-n", ROOT / name], capture_output=True, text=True, check=False)
    assert (checked.stderr, checked.returncode) == ("", 0)
