"""What every template and script has to keep: the strict content security policy, and its own place."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "static" / "js").rglob("*.js"))
_HANDLER = re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE)
_STYLE = re.compile(r"<[^>{]*\sstyle\s*=|<style", re.IGNORECASE)
_SCRIPT = re.compile(r"<script(?![^>]*\b(?:src|nonce)=)", re.IGNORECASE)
_MARKUP = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}|<[^>]*>", re.DOTALL)
_OTHER_HOST = re.compile(r"""(?:src|href)=["'](?:https?:)?//""")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_keeps_the_content_security_policy(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for pattern, what in (
        (_HANDLER, "an inline event handler"),
        (_STYLE, "an inline style"),
        (_SCRIPT, "a script without src or nonce"),
        (_OTHER_HOST, "something from another host"),
        (
            re.compile(r"hx-on|hx-vals=.js:|hx-trigger=\"[^\"]*\[[^\"]*\]"),
            "an htmx attribute that needs eval",
        ),
    ):
        assert not pattern.search(text), f"{path.name} has {what}"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_on_pages_a_household_is_called_a_home(path: Path) -> None:
    words = _MARKUP.sub(" ", path.read_text(encoding="utf-8"))
    assert "household" not in words.lower(), "people read home, see docs/glossary.md"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_keeps_the_content_security_policy(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML\s*=|document\.write|console\.", text)
    for imported in re.findall(r"""(?:from|import)\s+["']([^"']+)["']""", text):
        assert imported.startswith("."), imported
        assert (path.parent / imported).resolve().is_file(), imported


def test_every_page_script_belongs_to_a_template() -> None:
    pages = ROOT / "static" / "js" / "pages"
    names = {str(path.relative_to(pages).with_suffix("")) for path in pages.rglob("*.js")}
    assert names
    assert names <= {str(path.relative_to(ROOT / "templates").with_suffix("")) for path in TEMPLATES}
