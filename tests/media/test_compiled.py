"""What numba keeps for the next start, and what happens when it cannot be had."""

import ast
import errno
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from media.connection import cache, direct, tables

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


def test_the_machine_code_is_made_again_after_a_change_of_anything_in_it(
    add: Callable[[int, int], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numba.core import caching

    for name in ("load_overload", "save_overload", "_index_key"):
        monkeypatch.setattr(caching.Cache, name, getattr(caching.Cache, name))  # put back afterwards
    assert add(1, 2) == 3
    before = len(list((tmp_path / "__pycache__").glob("adding.add*.nbc")))
    monkeypatch.setattr(cache, "sources_digest", lambda _: "another")
    cache.prepare()
    assert add(1, 2) == 3
    assert len(list((tmp_path / "__pycache__").glob("adding.add*.nbc"))) == before + 1


@pytest.mark.parametrize("module", [direct, tables])
def test_whatever_compiled_functions_are_made_of_is_in_the_digest(module: ModuleType) -> None:
    """Ours; versions of numba and NumPy are in numba's own key or in the locked requirements."""
    assert module.__file__
    imports = [
        node
        for node in ast.walk(ast.parse(Path(module.__file__).read_text()))
        if isinstance(node, ast.ImportFrom)
    ]
    ours = {
        (node.module or "").replace(".", "/") + ".py"
        for node in imports
        if (node.module or "").split(".")[0] in ("media", "protocol", "sound")
    }
    root = Path(cache.__file__).parents[2]
    covered = {str(path.relative_to(root)) for pattern in cache.SOURCES for path in root.glob(pattern)}
    assert ours
    assert ours <= covered


def test_the_digest_is_another_after_a_change(tmp_path: Path) -> None:
    for pattern in cache.SOURCES:
        path = tmp_path / pattern.replace("*", "one")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("A = 1")
    before = cache.sources_digest(tmp_path)
    (tmp_path / "media/packets.py").write_text("A = 2")
    assert cache.sources_digest(tmp_path) != before
