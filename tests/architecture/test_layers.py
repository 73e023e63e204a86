"""Rules that import-linter cannot see."""

import ast
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.unit

ORDER = ["households", "devices", "calls", "transcripts", "announcements"]
PACKAGES = [*ORDER, "common", "signaling", "protocol", "sealing", "sound", "turn", "media", "agent", "config"]
BUDGET_LINES = 500


def sources() -> list[Path]:
    found = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    return [path for path in found if "migrations" not in path.parts]


def test_foreign_keys_point_down_as_imports_do() -> None:
    wrong = []
    for label in ORDER:
        for model in apps.get_app_config(label).get_models():
            for field in model._meta.get_fields():
                related = field.related_model if field.concrete and field.is_relation else None
                if isinstance(related, type):
                    target = related._meta.app_label
                    if target in ORDER and ORDER.index(target) > ORDER.index(label):
                        wrong.append(f"{model.__name__}.{field.name}")
    assert wrong == []


def test_transcripts_and_announcements_do_not_know_each_other() -> None:
    for label, other in (("transcripts", "announcements"), ("announcements", "transcripts")):
        for model in apps.get_app_config(label).get_models():
            related = [field.related_model for field in model._meta.get_fields() if field.concrete]
            assert other not in {target._meta.app_label for target in related if isinstance(target, type)}


def test_group_names_are_made_in_one_place_only() -> None:
    makers = [
        path.relative_to(ROOT)
        for path in sources()
        if any(f'f"{kind}.{{' in path.read_text() for kind in ("household", "device", "worker"))
    ]
    assert makers == [Path("common/push.py")], "use common.push.group_household() and its sisters"


def test_no_file_is_longer_than_its_budget() -> None:
    long = {str(p): n for p in sources() if (n := len(p.read_text().splitlines())) > BUDGET_LINES}
    assert long == {}


def test_logs_hold_fixed_sentences_only() -> None:
    """What people said never gets into a log: messages are not put together, and no keyword is named after speech."""
    wrong = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = node.func.value
            if not (isinstance(owner, ast.Name) and owner.id == "log"):
                continue
            if node.func.attr not in ("debug", "info", "warning", "error", "exception"):
                continue
            names = {keyword.arg for keyword in node.keywords}
            is_fixed = bool(node.args) and isinstance(node.args[0], ast.Constant | ast.Name | ast.Attribute)
            if not is_fixed or names & {"text", "sdp", "token", "password", "words", "transcript"}:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []
