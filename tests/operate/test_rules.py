"""tests/plugin_rules.py, in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_collection_modifyitems
from tests.operate.hub_process import ROOT

pytestmark = pytest.mark.unit

TESTS = """
import asyncio
import pytest
pytestmark = pytest.mark.unit

def test_passes(): pass
def test_skips(): pytest.skip("no browser")

async def test_leaks():
    global task
    task = asyncio.create_task(asyncio.sleep(60), name="forgotten")

async def test_cleans():
    await asyncio.create_task(asyncio.sleep(0))
"""
INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nmarkers = unit"


def pytest_of_its_own(folder: Path, text: str, *, ci: str) -> str:
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text(INI)
    words = ["-p", "tests.plugin_rules", "-p", "no:django", "-p", "no:cacheprovider", "-rA", "--tb=no"]
    environment = os.environ | {"CI": ci, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(folder)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_skip_fails_on_ci_and_only_there(tmp_path: Path) -> None:
    on_ci = pytest_of_its_own(tmp_path, TESTS, ci="true")
    assert "FAILED test_it.py::test_skips" in on_ci
    assert "was skipped, and on CI nothing may be: no browser" in on_ci
    assert "SKIPPED [1] test_it.py" in pytest_of_its_own(tmp_path, TESTS, ci="")


def test_a_module_that_skips_itself_fails_on_ci(tmp_path: Path) -> None:
    text = "import pytest\npytest.importorskip('no_such_module')"
    assert "1 error" in pytest_of_its_own(tmp_path, text, ci="true")


def test_a_test_that_leaves_a_task_running_fails(tmp_path: Path) -> None:
    said = pytest_of_its_own(tmp_path, TESTS, ci="")
    assert "ERROR test_it.py::test_leaks" in said
    assert "forgotten" in said
    assert "PASSED test_it.py::test_cleans" in said
    assert "ERROR test_it.py::test_cleans" not in said


def test_a_test_without_its_mark_is_refused(tmp_path: Path) -> None:
    said = pytest_of_its_own(tmp_path, "def test_it(): pass", ci="")
    assert "need exactly one of the marks" in said


def test_a_test_that_lies_elsewhere_has_its_place_among_the_others(tmp_path: Path) -> None:
    paths = [tmp_path / "test_it.py", ROOT / "tests" / "e2e" / "test_pages.py"]
    items: list[Any] = [SimpleNamespace(path=path) for path in paths]
    pytest_collection_modifyitems(items)
    assert {item.path for item in items} == set(paths)
