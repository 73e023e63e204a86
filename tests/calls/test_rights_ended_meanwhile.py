"""A call that begins at the moment at which its caller loses the right to it: whoever comes second ends it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from django.db import DatabaseError, connection
from django.dispatch import Signal
from django_scopes import scope

from calls import receivers
from calls.events import call_started
from calls.models import Call
from calls.services import call_start
from devices.events import device_removed
from devices.services import device_unclaim
from devices.sharing.loans import loan_end
from households.events import rights_changed
from households.models import Membership
from households.people.members import member_remove
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast, guest_make, loan_make

pytestmark = [
    pytest.mark.integration,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("house_with_a_worker"),
]
Deed = Callable[[], Any]


def elsewhere(cast: Cast, deed: Deed) -> None:
    """As another request does it: over a connection of its own, and committed when this returns."""

    def run() -> None:
        try:
            with scope(household=cast.anna.household):
                deed()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()


@contextmanager
def in_the_middle_of(signal: Signal, cast: Cast, deed: Deed) -> Iterator[None]:
    """`deed` begins and ends while the transaction that sends the signal is open."""

    def on_signal(**_: Any) -> None:
        signal.disconnect(on_signal)
        elsewhere(cast, deed)

    signal.connect(on_signal, weak=False)
    try:
        yield
    finally:
        signal.disconnect(on_signal)


def calls_of(cast: Cast, caller: Membership) -> list[tuple[str, str]]:
    return list(Call.objects.filter(started_by=caller.user).values_list("state", "reason"))


def start(cast: Cast, caller: Membership) -> Call:
    return call_start(membership=caller, device=cast.kitchen)


def test_a_member_who_is_removed_while_the_call_begins_reads_that_it_is_over(cast: Cast) -> None:
    with in_the_middle_of(call_started, cast, lambda: member_remove(member=cast.ben, by=cast.anna)):
        call = start(cast, cast.ben)
    assert (call.state, call.reason) == (CallState.ENDED, "Ben no longer belongs to Lake House.")


def test_a_call_that_begins_while_its_caller_is_removed_ends_with_the_removal(cast: Cast) -> None:
    with in_the_middle_of(rights_changed, cast, lambda: start(cast, cast.ben)):
        member_remove(member=cast.ben, by=cast.anna)
    assert calls_of(cast, cast.ben) == [(CallState.ENDED, "Ben no longer belongs to Lake House.")]


@pytest.mark.parametrize("is_first", [True, False], ids=["the call first", "the loan first"])
def test_a_loan_that_ends_at_the_moment_of_the_call_ends_it(cast: Cast, is_first: bool) -> None:
    gil = guest_make(cast)
    loan = loan_make(cast.kitchen, gil, can_talk=True)

    def begin() -> Call:
        return start(cast, gil)

    def end() -> None:
        loan_end(loan=loan, by=cast.anna.user)

    outer, inner, signal = (begin, end, call_started) if is_first else (end, begin, rights_changed)
    with in_the_middle_of(signal, cast, inner):
        outer()
    assert calls_of(cast, gil) == [(CallState.ENDED, "Kitchen speaker is no longer lent to Gil.")]


def test_a_device_that_is_removed_while_its_call_begins_is_in_none(cast: Cast) -> None:
    with in_the_middle_of(call_started, cast, lambda: device_unclaim(device=cast.kitchen)):
        call = start(cast, cast.ben)
    assert (call.state, call.reason) == (
        CallState.ENDED,
        "Kitchen speaker no longer belongs to Lake House.",
    )


def test_a_call_that_begins_while_its_device_is_removed_ends_with_the_removal(cast: Cast) -> None:
    with in_the_middle_of(device_removed, cast, lambda: start(cast, cast.ben)):
        device_unclaim(device=cast.kitchen)
    words = "Kitchen speaker no longer belongs to Lake House."  # whoever looks again knows no more
    assert calls_of(cast, cast.ben) == [(CallState.ENDED, words)]


def test_what_cannot_be_looked_at_again_does_not_undo_the_deed(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def away(**_: Any) -> NoReturn:
        looked.append(connection.in_atomic_block)
        raise DatabaseError("The database is away.")

    def away_later(**_: Any) -> int:
        return 0 if connection.in_atomic_block else away()

    monkeypatch.setattr(receivers, "call_started_recheck", away)
    monkeypatch.setattr(receivers, "call_recheck", away_later)
    assert start(cast, cast.ben).is_live
    member_remove(member=cast.ben, by=cast.anna)
    assert not Membership.objects.filter(pk=cast.ben.pk).exists()
    assert looked == [False, False]
