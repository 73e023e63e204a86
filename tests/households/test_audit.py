"""The record of a household: what is in it stays as it was written, and what was changed shows."""

from collections.abc import Iterable
from functools import partial

import pytest
from django.db import DatabaseError, connection, transaction
from django_scopes import scopes_disabled

from households.models import AuditEntry, AuditHead, Household
from households.record.audit import AuditKind, audit_list, audit_note, audit_sentence, audit_sentences
from households.record.chain import AuditCheck, AuditProblem, audit_chain, audit_check
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def write(cast: Cast, count: int = 3) -> None:
    for number in range(count):
        audit_note(
            cast.anna.household,
            AuditKind.RENAMED,
            actor=cast.anna.user,
            old=f"Speaker {number}",
            device="Kitchen",
        )


def change(sql: str, number: int) -> None:
    """As somebody who owns the database does."""
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks still to come cannot be altered
        cursor.execute("ALTER TABLE households_auditentry DISABLE TRIGGER audit_entry_stays")
        cursor.execute(sql, [number])
        cursor.execute("ALTER TABLE households_auditentry ENABLE TRIGGER audit_entry_stays")


def test_an_entry_says_in_a_sentence_who_did_what(cast: Cast) -> None:
    entry = audit_note(cast.anna.household, AuditKind.UNCLAIMED, actor=cast.anna.user, device=cast.kitchen)
    assert audit_sentence(entry) == "Anna removed Kitchen speaker."


# As earlier versions wrote them, which knew less.
OF_BEFORE = {
    AuditKind.GIVEN: "Anna made a link to give Radio to another home.",
    AuditKind.TAKEN: "Anna took over Radio.",
    AuditKind.LENT: "Anna lent Radio to Ben.",
    AuditKind.LOAN_ENDED: "Anna ended the loan of Radio to Ben.",
    AuditKind.RULE_CHANGED: "Anna changed who may call Radio.",
    AuditKind.MOVED: "Anna moved Radio to Attic.",
    AuditKind.CLAIMED: "Anna added Radio.",
    AuditKind.UNCLAIMED: "Anna removed Radio.",
    AuditKind.RENEWED: "Radio got a new certificate.",
    AuditKind.INVITED: "Anna invited Ben as a child.",
    AuditKind.JOINED: "Anna joined as a child.",
    AuditKind.ROLE_CHANGED: "Anna made Ben a child.",
    AuditKind.HOUSEHOLD_CHANGED: "Anna changed the settings of the home.",
    AuditKind.RECORDING_PLAYED: "Anna played the recording of a call with Radio.",
    AuditKind.SIGNED_IN: "Anna signed in.",
}


@pytest.mark.parametrize("kind", OF_BEFORE)
def test_an_entry_of_an_earlier_version_still_reads_well(cast: Cast, kind: AuditKind) -> None:
    known = {"actor": "Anna", "device": "Radio", "role": "a child", "right": "call", "where": "Radio"}
    if kind is not AuditKind.JOINED:
        known["person"] = "Ben"
    if kind in (AuditKind.MOVED,):
        known["room"] = "Attic"
    entry = audit_note(cast.anna.household, kind, **known)
    assert audit_sentence(entry) == OF_BEFORE[kind]


def test_what_is_not_known_is_not_said_and_not_kept(cast: Cast) -> None:
    details = {"actor": "Anna", "device": "Radio", "person": "Ben", "scope": None, "period": "until [soon]"}
    entry = audit_note(cast.anna.household, AuditKind.LENT, **details)
    assert audit_sentence(entry) == "Anna lent Radio to Ben until [soon]."
    assert "scope" not in entry.details


def test_a_sentence_of_an_earlier_version_is_good_for_an_entry_of_that_version_alone(cast: Cast) -> None:
    was = "Anna gave Radio away."
    old = audit_note(cast.anna.household, AuditKind.GIVEN, actor="Anna", device="Radio")
    young = audit_note(cast.anna.household, AuditKind.GIVEN, actor="Anna", device="Radio", until="noon")
    assert was in audit_sentences(old)
    assert audit_sentences(young) == [
        "Anna made a link to give Radio to another home; it is good until noon."
    ]


def test_a_name_that_looks_like_a_format_is_shown_as_it_is(cast: Cast) -> None:
    entry = audit_note(cast.anna.household, AuditKind.UNCLAIMED, actor="{device} {0.__class__}", device="K")
    assert audit_sentence(entry) == "{device} {0.__class__} removed K."


def test_each_household_has_a_record_of_its_own(cast: Cast) -> None:
    write(cast)
    audit_note(cast.carla.household, AuditKind.SIGNED_IN, actor=cast.carla.user)
    with scopes_disabled():
        assert audit_list(cast.carla.household).filter(kind=AuditKind.RENAMED).count() == 0
    assert audit_check(cast.anna.household).broken_at is None
    assert audit_check(cast.carla.household).broken_at is None


def test_the_database_refuses_to_change_or_delete_an_entry(cast: Cast) -> None:
    write(cast)
    with scopes_disabled():
        rows = AuditEntry.objects.filter(kind=AuditKind.RENAMED)
        for deed in (partial(rows.update, kind="other"), rows.delete):
            with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
                deed()
        assert rows.count() == 3


@pytest.mark.parametrize(
    "sql",
    [
        'UPDATE households_auditentry SET details = \'{"actor": "Ben"}\' WHERE number = %s',
        "UPDATE households_auditentry SET at = at - interval '1 day' WHERE number = %s",
        "DELETE FROM households_auditentry WHERE number = %s",
        "UPDATE households_auditentry SET number = number + 100 WHERE number = %s",
    ],
)
def test_what_was_changed_in_the_database_shows(cast: Cast, sql: str) -> None:
    write(cast)
    with scopes_disabled():
        last = audit_list(cast.anna.household).values_list("number", flat=True)[0]
    change(sql, last - 1)
    assert audit_check(cast.anna.household).broken_at == last - 1


@pytest.mark.parametrize("is_head_gone", [False, True])
def test_a_record_that_was_cut_together_with_its_head_shows_for_ever(cast: Cast, is_head_gone: bool) -> None:
    write(cast)
    household = cast.anna.household
    count = audit_check(household).count
    change("DELETE FROM households_auditentry WHERE number >= %s", count - 1)
    with scopes_disabled():
        last = audit_list(household).first()
        heads = AuditHead.objects.filter(household=household)
        if is_head_gone:
            heads.delete()
        else:
            assert last is not None
            heads.update(number=last.number, hash=last.hash)
    assert audit_check(household).problem == AuditProblem.CUT
    if not is_head_gone:
        write(cast)
        assert audit_check(household).problem == AuditProblem.CUT


def test_a_record_that_was_emptied_shows_for_ever(cast: Cast) -> None:
    write(cast)
    household = cast.anna.household
    change("DELETE FROM households_auditentry WHERE number >= %s", 0)
    with scopes_disabled():
        AuditHead.objects.filter(household=household).delete()
    assert audit_check(household).problem == AuditProblem.CUT
    write(cast)
    assert audit_check(household).problem == AuditProblem.CUT


def test_the_record_of_a_new_household_is_whole_and_empty(db: None) -> None:
    assert audit_check(Household.objects.create(name="New")) == AuditCheck(0, None)


def test_the_database_refuses_to_empty_the_table(cast: Cast) -> None:
    write(cast)
    with scopes_disabled(), connection.cursor() as cursor:
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE households_auditentry")
        assert audit_list(cast.anna.household).exists()


def test_entries_that_are_missing_at_the_end_show(cast: Cast) -> None:
    write(cast)
    count = audit_check(cast.anna.household).count
    change("DELETE FROM households_auditentry WHERE number = %s", count)
    assert audit_check(cast.anna.household).broken_at == count


def test_what_is_written_while_the_record_is_looked_at_is_not_missing(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    household = cast.anna.household
    audit_note(household, AuditKind.SIGNED_IN, actor=cast.anna.user)

    def chain_slowly(entries: Iterable[AuditEntry]) -> tuple[AuditCheck, str]:
        read = audit_chain(list(entries))
        audit_note(household, AuditKind.SIGNED_IN, actor=cast.anna.user)
        return read

    monkeypatch.setattr("households.record.chain.audit_chain", chain_slowly)
    assert audit_check(household).broken_at is None
