"""What README.md and docs/ name is there: files, functions, commands, pictures, links."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PACKAGES = (
    "agent", "announcements", "calls", "common", "config", "devices", "households", "media", "protocol", "sealing",
    "signaling", "sound", "transcripts", "turn",
)  # fmt: skip
SUFFIXES = (".py", ".html", ".js", ".css", ".md", ".yaml", ".yml", ".toml", ".txt", ".in", ".sh")
IMAGE_BYTES_MAX = 200_000
README_LINES_MAX = 200

_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_IMAGE = re.compile(r'<img src="([^"]+)"')
_COMMAND = re.compile(r"manage\.py ([a-z_]+)")
_PATH = re.compile(r"(?!data/)[\w.-]+/[\w./-]*")
_DOTTED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
_SLUG = re.compile(r"[^\w -]")


def codes(page: Path) -> list[str]:
    """What stands in backticks, outside of blocks of code."""
    return _CODE.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))


@cache
def file_names() -> frozenset[str]:
    """Of the documented folders and of the root, without their paths."""
    folders = [ROOT / name for name in (*PACKAGES, "docs", "requirements", "static", "templates")]
    below = [path for folder in folders for path in folder.rglob("*")]
    return frozenset(path.name for path in (*ROOT.iterdir(), *below) if path.is_file())


@cache
def names_in(module: Path) -> frozenset[str]:
    """What a module defines: `name`, and `Class.name` for what a class has."""
    found: set[str] = set()
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        found.update(target.id for target in targets if isinstance(target, ast.Name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = (x for x in node.body if isinstance(x, ast.FunctionDef | ast.AsyncFunctionDef))
            found.update(f"{node.name}.{x.name}" for x in inner)
    return frozenset(found)


def is_defined(dotted: str) -> bool:
    """Whether `package.module`, `package.module.name` or `package.module.Class.method` is in the code."""
    parts = dotted.split(".")
    if ROOT.joinpath(*parts).with_suffix(".py").is_file():
        return True
    for count in range(len(parts) - 1, 0, -1):
        module = ROOT.joinpath(*parts[:count]).with_suffix(".py")
        if module.is_file():
            return ".".join(parts[count:]) in names_in(module)
    return False


def anchors(page: Path) -> set[str]:
    """The names under which a reader of Markdown reaches its headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {_SLUG.sub("", heading.lower()).replace(" ", "-") for heading in headings}


def is_a_file_name(code: str) -> bool:
    return "/" not in code and " " not in code and Path(code).suffix in SUFFIXES and not code.startswith(".")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    paths = [code for code in codes(page) if _PATH.fullmatch(code)]
    missing = [path for path in paths if not (ROOT / path).exists()]
    bare = [code for code in codes(page) if is_a_file_name(code)]
    missing += [name for name in bare if name not in file_names() and not _DOTTED.fullmatch(name)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_function_that_a_page_names_is_in_the_code(page: Path) -> None:
    dotted = [code for code in codes(page) if _DOTTED.fullmatch(code) and Path(code).suffix not in SUFFIXES]
    assert [name for name in dotted if not is_defined(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = set(_COMMAND.findall(page.read_text(encoding="utf-8")))
    assert named <= set(get_commands())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_FENCED.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        is_there = target.is_relative_to(ROOT) and target.exists()
        if not is_there or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_picture_exists_and_is_small_and_none_is_left_over() -> None:
    named = {
        (page.parent / source).resolve()
        for page in PAGES
        for source in _IMAGE.findall(page.read_text(encoding="utf-8"))
    }
    assert len(named) >= 2
    assert named == set((ROOT / "docs" / "images").iterdir())
    assert {path.name: size for path in named if (size := path.stat().st_size) > IMAGE_BYTES_MAX} == {}


def test_every_picture_says_in_words_what_it_shows() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(_IMAGE.findall(text)) == len(re.findall(r'<img [^>]*alt="[^"]{20,}"', text))


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    open_pages = [ROOT / "README.md"]
    while open_pages:
        page = open_pages.pop()
        seen.add(page)
        targets = (
            (page.parent / link.partition("#")[0]).resolve()
            for link in _LINK.findall(page.read_text(encoding="utf-8"))
        )
        open_pages += [target for target in targets if target in PAGES and target not in seen]
    assert seen == set(PAGES)


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < README_LINES_MAX
