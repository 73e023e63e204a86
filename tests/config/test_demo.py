"""What the console says of the demo speaker is so."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django_scopes import scopes_disabled

from agent.identity import ENROLLMENT_FILE, StoredEnrollment
from common.clock import now
from config.demo import demo_note
from protocol.enrollment import Enrollment
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def claimed(folder: Path, device_id: UUID) -> Path:
    """As the agent keeps it."""
    enrollment = Enrollment(
        device_id=device_id, certificate_pem="", ca_pem="", household_name="An old name", device_name="x"
    )
    stored = StoredEnrollment(hub_url="http://h", enrolled_at=datetime.now(UTC), enrollment=enrollment)
    (folder / ENROLLMENT_FILE).write_text(stored.model_dump_json())
    return folder


def test_before_it_is_claimed_a_code_is_announced(tmp_path: Path) -> None:
    assert "it shows its code below" in demo_note(tmp_path / "not yet made")
    (tmp_path / ENROLLMENT_FILE).write_text("half")
    assert "it shows its code below" in demo_note(tmp_path)


def test_once_it_is_claimed_no_code_is_announced_but_where_it_is(tmp_path: Path, cast: Cast) -> None:
    note = demo_note(claimed(tmp_path, cast.kitchen.public_id))
    assert f"is in Lake House already, as {cast.kitchen.name}: no code follows." in note


def test_one_that_was_removed_meanwhile_shows_a_new_code(tmp_path: Path, cast: Cast) -> None:
    with scopes_disabled():
        cast.kitchen.revoked_at = now()
        cast.kitchen.save()
    assert "it shows its code below" in demo_note(claimed(tmp_path, cast.kitchen.public_id))


def test_one_of_another_hub_is_told_with_the_way_out(tmp_path: Path, cast: Cast) -> None:
    note = demo_note(claimed(tmp_path, uuid4()))
    assert "claimed by another hub" in note
    assert f"remove the folder {tmp_path}" in note
