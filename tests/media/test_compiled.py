"""What numba keeps for the next start, and what happens when it cannot be had."""

import errno
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unit

SOURCE = """
from media.connection.compiled import compiled


@compiled
def add(a, b):
    return a + b
"""


@pytest.fixture
def add(tmp_path: Path) -> Callable[[int, int], int]:
    """A compiled function of a module that is loaded anew for each call, as by another process."""
    path = tmp_path / "adding.py"
    path.write_text(SOURCE)

    def call(a: int, b: int) -> int:
        spec = importlib.util.spec_from_file_location("adding", path)
        assert spec
        assert spec.loader
        module: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return int(module.add(a, b))

    return call


def kept(folder: Path) -> dict[str, int]:
    """Sizes of what is in the cache."""
    return {path.suffix: path.stat().st_size for path in (folder / "__pycache__").glob("adding.add*.nb?")}


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_what_a_power_failure_cut_short_is_compiled_and_kept_again(
    add: Callable[[int, int], int], tmp_path: Path, suffix: str
) -> None:
    assert add(1, 2) == 3
    whole = kept(tmp_path)
    assert set(whole) == {".nbi", ".nbc"}
    [path] = (tmp_path / "__pycache__").glob(f"adding.add*{suffix}")
    path.write_bytes(b"")
    assert add(3, 4) == 7
    assert kept(tmp_path) == whole


def test_a_full_disk_keeps_nothing_and_stops_nothing(
    add: Callable[[int, int], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", no_room)
    assert add(1, 2) == 3
    assert kept(tmp_path) == {}
