"""Vendored files are what their README says, and every icon that is named is in the sprite."""

import hashlib
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "static" / "vendor"
FOLDERS = [VENDOR, ROOT / "tests" / "e2e" / "vendor", ROOT / "protocol" / "vendor"]
_LINE = re.compile(r"^([0-9a-f]{64})  (\S+)$", re.MULTILINE)
# {% icon "name" %}, icon("name"), setIcon(…, "a") and setIcon(…, is ? "a" : "b")
_IN_TEMPLATES = re.compile(r'{%\s*icon "([a-z0-9-]+)"')
_IN_SCRIPTS = re.compile(r"(?:\bicon\(|setIcon\()([^;]*?)\);")
_QUOTED = re.compile(r'"([a-z0-9-]+)"')


def _sums(folder: Path) -> dict[str, str]:
    return {
        name: digest for digest, name in _LINE.findall((folder / "README.md").read_text(encoding="utf-8"))
    }


def _symbols() -> set[str]:
    return set(re.findall(r'<symbol id="([^"]+)"', (VENDOR / "lucide" / "sprite.svg").read_text()))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_every_file_has_its_checksum_and_no_checksum_is_left_over(folder: Path) -> None:
    files = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert files
    assert files == _sums(folder)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_every_folder_has_a_version_and_a_licence(folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)/` \| (.+?) \| ([\d.]+) \| (.+?) \|", text, re.MULTILINE)
    assert {row[0] for row in rows} == {path.name for path in folder.iterdir() if path.is_dir()}
    for name, *_ in rows:
        assert [path for path in (folder / name).iterdir() if "LICENSE" in path.name], name


def test_every_icon_of_a_template_is_in_the_sprite() -> None:
    named = {
        name: path
        for path in (ROOT / "templates").rglob("*.html")
        for name in _IN_TEMPLATES.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert {name: path for name, path in named.items() if name not in _symbols()} == {}


def test_every_icon_of_a_script_is_in_the_sprite() -> None:
    scripts = [path for path in (ROOT / "static" / "js").rglob("*.js") if path.name != "icon.js"]
    named = {
        name
        for path in scripts
        for call in _IN_SCRIPTS.findall(
            re.sub(r'querySelector\("[^"]*"\)', "", path.read_text(encoding="utf-8"))
        )
        for name in _QUOTED.findall(call)
    }
    assert "x" in named
    assert named <= _symbols()


def test_every_room_icon_and_status_icon_is_in_the_sprite() -> None:
    from common.templatetags.ui import _ROOM_ICONS, room_icon

    assert {symbol for _, symbol in _ROOM_ICONS} | {room_icon("a room of no known kind")} <= _symbols()
    symbols = re.findall(
        r'Part\("[^"]+", "([^"]+)"', (ROOT / "config" / "status.py").read_text(encoding="utf-8")
    )
    assert symbols
    assert set(symbols) <= _symbols()
