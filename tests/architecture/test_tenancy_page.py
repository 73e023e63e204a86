"""The page about tenancy shows what the roles allow, as the code has it."""

from pathlib import Path

import pytest

from households.roles import Permission, Role, allows

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[2] / "docs" / "subsystems" / "tenancy.md"


def table() -> str:
    lines = [f"| permission | {' | '.join(Role)} |", "|---" * (len(Role) + 1) + "|"]
    for permission in Permission:
        marks = ["yes" if allows(role, permission) else "" for role in Role]
        lines.append(
            f"| `{permission}` | {' | '.join(marks)} |".replace("|  |", "| |").replace("|  |", "| |")
        )
    return "\n".join(lines)


def test_the_page_shows_what_each_role_may() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), f"the table is now:\n\n{table()}"
