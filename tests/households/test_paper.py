"""The record as a page to print: what was chosen, in order, and what the check of all of it found."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client
from django.urls import reverse
from django_scopes import scope

from common.clock import now
from households.models import Household, Membership
from households.record.audit import AuditKind, audit_list, audit_note, audit_sentence
from households.roles import Role
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

PRINT = reverse("households:activity-print")


def play(cast: Cast, count: int = 1, device: str = "Radio") -> None:
    for _ in range(count):
        audit_note(cast.anna.household, AuditKind.RECORDING_PLAYED, actor=cast.ben.user, device=device)


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


async def printed(cast: Cast, **fields: str) -> str:
    client = AsyncClient()
    await client.aforce_login(cast.anna.user)
    answer: Any = await client.post(PRINT, {"period": "month"} | fields)
    assert answer["Cache-Control"] == "no-store"
    return "".join([part.decode() async for part in answer.streaming_content])


def numbers(html: str) -> list[int]:
    return [int(number) for number in re.findall(r"<tr\s*(?:class=\"warning\")?>\s*<td>(\d+)</td>", html)]


@pytest.mark.django_db(transaction=True)
async def test_it_holds_the_entries_in_order_its_own_last_and_says_that_the_record_is_whole(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("households.record.paper._AT_ONCE", 2)
    await sync_to_async(play)(cast, 4)
    await sync_to_async(audit_note)(cast.carla.household, AuditKind.SIGNED_IN, actor="Carla")
    page = await printed(cast)
    assert numbers(page) == [1, 2, 3, 4, 5, 6]
    assert "Anna made a copy of this record to print: everything, " in text(page)
    assert "all 6 entries were looked at" in text(page)
    assert "is entry 6 of the record" in text(page)
    assert "Carla" not in page
    assert page.count("</html>") == 1


@pytest.mark.django_db(transaction=True)
async def test_a_kind_a_person_and_days_narrow_it_down_and_are_in_the_record(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, late = cast.anna.household, datetime(2026, 3, 1, 22, 30, tzinfo=UTC)  # 2 March in Auckland
    await Household.objects.filter(pk=home.pk).aupdate(time_zone="Pacific/Auckland")
    with monkeypatch.context() as patch:
        patch.setattr("households.record.audit.now", lambda: late)
        await sync_to_async(play)(cast)
        await sync_to_async(audit_note)(home, AuditKind.SIGNED_IN, actor=cast.ben.user)
        await sync_to_async(audit_note)(home, AuditKind.SIGNED_IN, actor="Gran")
    fields = {"period": "days", "group": "sign-ins", "name": "Ben"}
    page = await printed(cast, **fields, first_on="2026-03-02", last_on="2026-03-02")
    assert numbers(page) == [3]
    assert "2 March 2026, 11:30" in page
    assert "sign-ins, only Ben, 2 March 2026" in text(page)
    assert numbers(await printed(cast, **fields, last_on="2026-03-01")) == []
    with scope(household=home):
        told = [audit_sentence(entry) async for entry in audit_list(home)[:2]]
    assert told[1].endswith("to print: sign-ins, only Ben, 2 March 2026.")


@pytest.mark.django_db(transaction=True)
async def test_it_says_so_where_the_record_is_not_as_it_was_written(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync_to_async(play)(cast, 2)
    await sync_to_async(_change)(cast)
    assert "No, it is not as it was written. Entry 2 was changed" in text(await printed(cast))


def _change(cast: Cast) -> None:
    from tests.households.test_activity import anna_id, change

    change(
        "UPDATE households_auditentry SET details = '{}' WHERE household_id = %s AND number = 2",
        anna_id(cast),
    )


@pytest.mark.django_db(transaction=True)
async def test_names_stay_text(cast: Cast) -> None:
    await sync_to_async(play)(cast, device="<script>alert(1)</script><!-- here -->")
    page = await printed(cast)
    assert "<script>alert" not in page
    assert page.count("</html>") == 1


def test_more_than_paper_holds_is_refused_with_the_number_and_not_noted(
    cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("households.record.forms.MOST", 3)
    play(cast, 4)
    client.force_login(cast.anna.user)
    answer = client.post(PRINT, {"period": "all"})
    assert answer.status_code == 400
    assert "These are 5 entries; at most 3 can be printed at once." in text(answer.content.decode())
    with scope(household=cast.anna.household):
        assert not audit_list(cast.anna.household).filter(kind=AuditKind.PRINTED).exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"period": "days", "first_on": "2026-03-02", "last_on": "2026-03-01"},
        {"period": "days", "first_on": "yesterday"},
        {"period": "days", "first_on": "1900-01-01"},
        {"period": "days", "last_on": "1999-12-31"},
        {"period": "month", "name": "Carla"},
        {"period": "month", "group": "\0"},
        {"period": ""},
    ],
)
def test_what_cannot_be_is_said_on_the_page(cast: Cast, client: Client, fields: dict[str, str]) -> None:
    client.force_login(cast.anna.user)
    assert client.post(PRINT, fields).status_code == 400


TO_COME = "That day is still to come. The record goes until today."
TURNED = "The last day is before the first."


def day(days: int | None) -> str:
    """As a form sends it: so many days from today, or none."""
    return "" if days is None else f"{now() + timedelta(days=days):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (0, 2, [TO_COME]),
        (None, 2, [TO_COME]),
        (2, None, [TO_COME]),
        (2, 2, [TO_COME, TO_COME]),
        (2, 0, [TO_COME]),
        (-1, -2, [TURNED]),
    ],
)
def test_a_day_that_is_still_to_come_is_said_to_be_so_and_stays_as_it_was_typed(
    cast: Cast, client: Client, first: int | None, last: int | None, said: list[str]
) -> None:
    client.force_login(cast.anna.user)
    fields = {"period": "days", "first_on": day(first), "last_on": day(last)}
    page = client.post(PRINT, fields).content.decode()
    assert re.findall(f"{TO_COME}|{TURNED}", page) == said
    for typed in filter(None, (day(first), day(last))):
        assert f'value="{typed}"' in page
    with scope(household=cast.anna.household):
        assert not audit_list(cast.anna.household).filter(kind=AuditKind.PRINTED).exists()


def test_days_that_were_typed_and_are_not_asked_for_count_for_nothing(cast: Cast, client: Client) -> None:
    client.force_login(cast.anna.user)
    fields = {"period": "month", "first_on": day(2), "last_on": "1999-12-31"}
    assert client.post(PRINT, fields).status_code == 200


@pytest.mark.parametrize("end", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_refused_in_words(cast: Cast, client: Client, end: str) -> None:
    client.force_login(cast.anna.user)
    assert client.post(PRINT, {"period": "days", "first_on": end, "last_on": end}).status_code == 400


def test_the_page_before_it_has_the_filter_of_the_record_and_the_file_for_programs(
    cast: Cast, client: Client
) -> None:
    client.force_login(cast.anna.user)
    play(cast)
    link = "?group=sign-ins&amp;name=Ben"
    assert (
        PRINT + link
        in client.get(reverse("households:activity"), {"group": "sign-ins", "name": "Ben"}).content.decode()
    )
    page = client.get(PRINT, {"group": "sign-ins", "name": "Ben"}).content.decode()
    assert 'value="sign-ins" selected' in page
    assert 'value="Ben" selected' in page
    assert "For programs" in page
    assert "manage.py audit_verify FILE" in page
    with scope(household=cast.anna.household):
        assert (
            not audit_list(cast.anna.household)
            .filter(kind=AuditKind.PRINTED, at__gt=now() - timedelta(days=1))
            .exists()
        )


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
def test_nobody_but_an_owner_prints_it(cast: Cast, client: Client, role: Role) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=role)
    client.force_login(cast.ben.user)
    assert [client.get(PRINT).status_code, client.post(PRINT, {"period": "all"}).status_code] == [403, 403]
