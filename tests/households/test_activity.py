"""What owners read of what was done: the page, the file, and whether both are as they were written."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import AsyncClient, Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from households.models import AuditEntry, AuditHead, Household, Membership
from households.record import activity as activity_module
from households.record.activity import PAGE_SIZE, Group, activity_names, activity_page, group_of
from households.record.audit import AuditKind, audit_list, audit_note, audit_sentence
from households.record.chain import audit_check, audit_hash
from households.roles import Role
from households.tasks import audit_check_task
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

ROOT = Path(__file__).parents[2]
# Written by parts of the hub that are still on their way. Empty when all are there.
STILL_TO_COME = {AuditKind.HOUSEHOLD_CHANGED, AuditKind.TOKEN_MADE, AuditKind.TOKEN_REVOKED}
ACTIVITY, WHOLE, EXPORT = (
    reverse(f"households:{name}") for name in ("activity", "activity-whole", "activity-export")
)


@pytest.fixture
def anna(cast: Cast, client: Client) -> Client:
    client.force_login(cast.anna.user)
    return client


def text(response: Any) -> str:
    words = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", words)


def play(cast: Cast, count: int = 1, **details: object) -> None:
    for _ in range(count):
        audit_note(
            cast.anna.household,
            AuditKind.RECORDING_PLAYED,
            **{"actor": cast.ben.user, "device": "Kitchen speaker"} | details,
        )


def change(sql: str, *values: str | int) -> None:
    """As somebody who owns the database does."""
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE households_auditentry DISABLE TRIGGER audit_entry_stays")
        cursor.execute(sql, values)
        cursor.execute("ALTER TABLE households_auditentry ENABLE TRIGGER audit_entry_stays")


# --- the page --------------------------------------------------------------------------------


def test_an_owner_reads_sentences_of_the_own_household_and_of_no_other(cast: Cast, anna: Client) -> None:
    play(cast)
    audit_note(cast.carla.household, AuditKind.SIGNED_IN, actor=cast.carla.user)
    page = text(anna.get(ACTIVITY))
    assert "Ben played the recording of a call with Kitchen speaker." in page
    assert "Anna added Kitchen speaker in Kitchen; it answers by itself." in page
    assert "Carla" not in page


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
def test_nobody_but_an_owner_reads_or_exports_it(cast: Cast, client: Client, role: Role) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=role)
    client.force_login(cast.ben.user)
    assert [client.get(url).status_code for url in (ACTIVITY, WHOLE)] == [403, 403]
    assert client.post(EXPORT).status_code == 403
    with scopes_disabled():
        assert not audit_list(cast.anna.household).filter(kind=AuditKind.EXPORTED).exists()


def test_times_and_days_are_those_of_the_household(
    cast: Cast, anna: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Household.objects.filter(pk=cast.anna.household.pk).update(time_zone="Pacific/Auckland")
    late = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)  # it is the next day there, and summer: 13 hours ahead
    monkeypatch.setattr("households.record.audit.now", lambda: late)
    play(cast)
    page = text(anna.get(ACTIVITY))
    assert "2 March" in page
    assert "11:30" in page
    assert 'data-zone="Pacific/Auckland"' in anna.get(ACTIVITY).content.decode()
    assert anna.post(EXPORT)["Content-Disposition"] == 'attachment; filename="activity-2026-03-02.jsonl"'


def test_it_comes_in_pages_without_a_line_twice_or_a_day_twice(cast: Cast, anna: Client) -> None:
    play(cast, PAGE_SIZE)
    first = anna.get(ACTIVITY)
    assert text(first).count("Ben played") == PAGE_SIZE
    path = re.search(r'hx-get="([^"]*before=\d+[^"]*)"', first.content.decode())
    assert path
    second = anna.get(path[1].replace("&amp;", "&"))
    assert "Anna added Kitchen speaker in Kitchen; it answers by itself." in text(second)
    assert "Load more" not in text(second)
    assert "<h2" not in second.content.decode()  # the day has its heading above


def test_names_that_were_typed_on_invitations_are_no_people(cast: Cast) -> None:
    play(cast)
    home, anna = cast.anna.household, cast.anna.user
    for name in ("somebody", "Aunt May"):
        audit_note(home, AuditKind.INVITED, actor=anna, person=name, role="a guest")
        audit_note(home, AuditKind.LENT, actor=anna, person=name, device="Radio")
        audit_note(home, AuditKind.LOAN_ENDED, actor=anna, person=name, device="Radio")
        audit_note(home, AuditKind.INVITATION_REVOKED, actor=anna, person=name)
        audit_note(home, AuditKind.JOINED, actor="May", person=name, role="a guest")
    audit_note(home, AuditKind.SIGN_IN_REFUSED, person="Gran")
    with scope(household=home):
        assert activity_names(home) == ["Anna", "Ben", "Gran", "May"]


def test_a_group_and_a_person_narrow_it_down(cast: Cast, anna: Client) -> None:
    play(cast)
    play(cast, actor="Gran")
    audit_note(cast.anna.household, AuditKind.REMOVED, actor=cast.anna.user, person=cast.ben.user)
    audit_note(cast.anna.household, AuditKind.SIGNED_IN, actor=cast.ben.user)
    with scope(household=cast.anna.household):
        household = cast.anna.household

        def shown(group: str, name: str = "") -> list[str]:
            return [line.sentence for line in activity_page(household, group=group, name=name).lines]

        assert shown(Group.PEOPLE) == ["Anna removed Ben."]
        assert shown(Group.SIGN_INS) == ["Ben signed in."]
        assert len(shown(Group.RECORDINGS)) == 2
        assert shown(Group.RECORDINGS, "Gran")[0].startswith("Gran played")
        assert len(shown("", "Ben")) == 3
        assert shown("no such group", "nobody") == []
        assert activity_names(household) == ["Anna", "Ben", "Gran"]
        together = sum(len(shown(group)) for group in Group)
        assert together == len(shown(""))
    page = text(anna.get(ACTIVITY, {"group": "sign-ins", "name": "Ben"}))
    assert "Ben signed in." in page
    assert "Ben played" not in page


def test_what_somebody_is_called_stays_text(cast: Cast, anna: Client) -> None:
    play(cast, actor="<script>alert(1)</script>")
    page = anna.get(ACTIVITY).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; played" in page


@pytest.mark.parametrize("before", ["x", "-1", "²", "9" * 30, "0"])
def test_a_wrong_number_is_no_error(cast: Cast, anna: Client, before: str) -> None:
    assert anna.get(ACTIVITY, {"before": before}).status_code == 200


def test_kinds_of_a_later_version_are_shown_all_the_same(cast: Cast, anna: Client) -> None:
    assert group_of("teleported") is Group.PEOPLE
    assert anna.get(ACTIVITY, {"group": "people"}).status_code == 200


# --- whether it is whole ---------------------------------------------------------------------


def test_the_page_says_that_the_record_is_whole(cast: Cast, anna: Client) -> None:
    play(cast)
    assert "The record is whole: 2 entries, and none was changed" in text(anna.get(WHOLE))


def test_the_page_says_which_entry_was_changed_or_is_missing(cast: Cast, anna: Client) -> None:
    play(cast, 3)
    change(
        "UPDATE households_auditentry SET details = '{}' WHERE household_id = %s AND number = 2",
        anna_id(cast),
    )
    assert "Entry 2 was changed after it was written." in text(anna.get(WHOLE))
    change("DELETE FROM households_auditentry WHERE household_id = %s AND number = 1", anna_id(cast))
    assert "Entry 2" in text(anna.get(WHOLE))  # what was found a moment ago
    assert audit_check(cast.anna.household).problem == "missing"


def test_a_long_record_is_looked_at_elsewhere(
    cast: Cast, anna: Client, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(activity_module, "CHECKED_AT_ONCE", 0)
    monkeypatch.setattr("households.record.views.delay_now", lambda task, key: asked.append(key))
    for _ in range(3):
        assert "Looking whether the record is whole" in text(anna.get(WHOLE))
    assert asked == [anna_id(cast)]
    audit_check_task(anna_id(cast))
    assert "The record is whole: 1 entry," in text(anna.get(WHOLE))


def anna_id(cast: Cast) -> int:
    return int(cast.anna.household.pk)


# --- the file --------------------------------------------------------------------------------


async def exported(cast: Cast) -> list[str]:
    client = AsyncClient()
    await client.aforce_login(cast.anna.user)
    response: Any = await client.post(EXPORT)
    assert response["Content-Disposition"].startswith('attachment; filename="activity-')
    return "".join([part.decode() async for part in response.streaming_content]).splitlines(keepends=True)


def verify(path: Path | None = None) -> str:
    out = StringIO()
    call_command("audit_verify", *([str(path)] if path else []), stdout=out)
    return out.getvalue()


def verify_fails(path: Path | None = None) -> str:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("audit_verify", *([str(path)] if path else []), stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
async def test_the_file_holds_every_entry_and_tells_of_its_own_export(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("households.record.file._AT_ONCE", 2)
    await sync_to_async(play)(cast, 4)
    lines = await exported(cast)
    entries = [json.loads(line) for line in lines]
    assert [entry["number"] for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert entries[-1]["sentence"] == "Anna exported this record."
    path = tmp_path / "activity.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    assert "6 entries, all as they were written." in await sync_to_async(verify)(path)


def _edit(line: str, **fields: object) -> str:
    return json.dumps(json.loads(line) | fields) + "\n"


FORGERIES: dict[str, tuple[Callable[[list[str]], list[str]], int]] = {
    "changed": (lambda lines: [*lines[:1], _edit(lines[1], at="2026-01-01T00:00:00+00:00"), *lines[2:]], 2),
    "details": (
        lambda lines: [*lines[:2], _edit(lines[2], details={"actor": "Anna"}, sentence="Anna"), *lines[3:]],
        3,
    ),
    "missing": (lambda lines: [*lines[:1], *lines[2:]], 2),
    "missing at the end": (lambda lines: lines[:-1], 5),
    "reworded": (lambda lines: [*lines[:3], _edit(lines[3], sentence="Nobody did anything."), *lines[4:]], 4),
    "in another order": (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
    "of another household": (
        lambda lines: [_edit(line, household="00000000-0000-4000-8000-000000000000") for line in lines],
        1,
    ),
    "empty": (lambda lines: [], 1),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_file_that_was_tampered_with_is_found_out(cast: Cast, tmp_path: Path, forgery: str) -> None:
    await sync_to_async(play)(cast, 3)
    forge, number = FORGERIES[forgery]
    path = tmp_path / "activity.jsonl"
    path.write_text("".join(forge(await exported(cast))), encoding="utf-8")
    assert f"entry {number} " in await sync_to_async(verify_fails)(path)


@pytest.mark.django_db(transaction=True)
async def test_a_file_of_the_time_when_a_home_was_called_household_is_as_good_as_ever(
    cast: Cast, tmp_path: Path
) -> None:
    await sync_to_async(audit_note)(
        cast.anna.household, AuditKind.HANDED_OVER, actor=cast.anna.user, person=cast.ben.user
    )
    text = "".join(await exported(cast))
    today = "handed the home over to Ben: Ben became an owner, and Anna an adult."
    assert today in text
    path = tmp_path / "activity.jsonl"
    path.write_text(text.replace(today, "handed the household over to Ben."), encoding="utf-8")
    assert "all as they were written." in await sync_to_async(verify)(path)


@pytest.mark.parametrize("line", ["", "null", "[]", '{"number": 1}', "[" * 100_000, '{"household": 7}'])
def test_a_file_of_something_else_is_refused_in_words(tmp_path: Path, line: str) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(CommandError, match="Line 1 is not an entry of a record"):
        call_command("audit_verify", str(path))
    with pytest.raises(CommandError):
        call_command("audit_verify", str(tmp_path / "not there"))


def test_the_command_checks_every_household(cast: Cast) -> None:
    assert verify().count("all as they were written.") == 2
    change("DELETE FROM households_auditentry WHERE household_id = %s", cast.carla.household.pk)
    told = verify_fails()
    assert "Lake House: 1 entry, all as they were written." in told
    assert "Mill: entry 1 is missing." in told


def test_a_chain_that_was_made_anew_without_the_key_of_the_hub_shows(
    cast: Cast, settings: LazySettings
) -> None:
    play(cast, 2)
    with scopes_disabled():
        entry = audit_list(cast.anna.household).select_related("household").get(number=3)
    own, settings.DATA_KEY = settings.DATA_KEY, "a key that somebody made up"
    entry.details = {"actor": "Anna"}
    forged = audit_hash(entry)
    settings.DATA_KEY = own
    sql = "UPDATE households_auditentry SET details = %s, hash = %s WHERE id = %s"
    change(sql, json.dumps(entry.details), forged, entry.pk)
    AuditHead.objects.filter(household=cast.anna.household).update(hash=forged)
    assert audit_check(cast.anna.household).broken_at == 3


# --- what is written -------------------------------------------------------------------------


def test_every_kind_of_entry_is_written_somewhere() -> None:
    packages = (
        "households",
        "devices",
        "calls",
        "signaling",
        "media",
        "config",
        "announcements",
        "transcripts",
    )
    readers = {ROOT / "households" / name for name in ("audit.py", "activity.py", "credentials.py")}
    code = "".join(
        path.read_text()
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if path not in readers and "migrations" not in path.parts
    )
    missing = {kind for kind in AuditKind if f"AuditKind.{kind.name}" not in code}
    assert missing - STILL_TO_COME == set()


def test_every_kind_has_a_sentence_that_can_be_said(cast: Cast) -> None:
    with scopes_disabled():
        for kind in AuditKind:
            entry = AuditEntry(household=cast.anna.household, kind=kind, details={})
            assert audit_sentence(entry).endswith((".", ".)")), kind


def test_a_name_that_no_text_can_hold_is_no_error(cast: Cast, anna: Client) -> None:
    assert anna.get(ACTIVITY, {"name": "\0", "group": "\0"}).status_code == 200
