"""Somebody who lent something is removed in the moment in which something of theirs ends: both deeds are done."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import import_module
from time import monotonic, sleep

import pytest
from django.db import DatabaseError, connection
from django_scopes import scope

from calls.models import Call, CallParticipant
from common.clock import now
from devices.models import Loan
from devices.services import device_remove
from devices.sharing.loans import loan_create, loan_end
from households.models import ApiToken, Membership
from households.people.members import consent_give, member_remove
from households.record.chain import audit_check
from households.roles import Permission, Role
from households.services import api_token_create, api_token_revoke, api_tokens_end
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast, guest_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]
WAIT_MOST_S = 10


@pytest.fixture
def ben(cast: Cast) -> Membership:
    """An adult who lent something, to whom something is lent, who has a token, and whose call goes on."""
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT, consented_at=None)
    ben = member(cast.ben)
    with scope(household=ben.household):
        for by, to in ((ben, guest_make(cast)), (cast.anna, ben)):
            loan_create(
                membership=by,
                device=cast.kitchen,
                rights={Permission.CALL},
                starts_at=now(),
                ends_at=now() + timedelta(days=1),
                to=to,
            )
        call = Call.objects.create(
            household=ben.household, device=cast.kitchen, started_by=ben.user, state=CallState.CONNECTED
        )
        for role, end in (("caller", {"user": ben.user}), ("callee", {"device": cast.kitchen})):
            CallParticipant.objects.create(household=ben.household, call=call, role=role, **end)
    api_token_create(membership=ben, name="Lamp")
    return ben


def member(who: Membership) -> Membership:
    return Membership.objects.select_related("user", "household").get(pk=who.pk)


def loan_to(ben: Membership) -> Loan:
    loans = Loan.objects.select_related("member__user", "household", "device", "invitation")
    return loans.get(member=ben)


# What ends of his, and where that writes the record.
ENDS: dict[str, tuple[str, Callable[[Cast], object]]] = {
    "all his tokens": ("households.services", lambda cast: api_tokens_end(user=cast.ben.user)),
    "his token": (
        "households.services",
        lambda cast: api_token_revoke(
            membership=member(cast.ben), public_id=str(ApiToken.objects.get().public_id)
        ),
    ),
    "what is lent to him": (
        "devices.sharing.loans",
        lambda cast: loan_end(loan=loan_to(cast.ben), by=cast.anna.user),
    ),
    "the device of his call": (
        "devices.services",
        lambda cast: device_remove(membership=member(cast.anna), device=cast.kitchen),
    ),
    "his not having agreed": (
        "households.people.members",
        lambda cast: consent_give(membership=member(cast.ben)),
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_neither_waits_for_the_other_for_ever(
    cast: Cast, ben: Membership, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """Whatever ends is held first, and the record after it, by both."""
    module, deed = ENDS[end]
    noting, slow = threading.Event(), threading.local()
    audit_note = import_module(module).audit_note

    def note(*args: object, **details: object) -> object:
        if getattr(slow, "is_on", False):
            slow.is_on = False
            noting.set()
            wait_until_somebody_waits()
        return audit_note(*args, **details)

    def do(what: Callable[[], object]) -> str:
        try:
            with scope(household=cast.anna.household):
                what()
        except DatabaseError as error:
            return repr(error)
        finally:
            connection.close()
        return "done"

    def end_it() -> None:
        slow.is_on = True
        deed(cast)

    def remove() -> None:
        assert noting.wait(WAIT_MOST_S)
        member_remove(member=member(cast.ben), by=member(cast.anna))

    monkeypatch.setattr(f"{module}.audit_note", note)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(do, (end_it, remove))) == ["done", "done"]
    assert not Membership.objects.filter(pk=ben.pk).exists()
    assert audit_check(cast.anna.household).problem is None


def wait_until_somebody_waits() -> None:
    """For what this transaction holds."""
    until = monotonic() + WAIT_MOST_S
    while monotonic() < until:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        sleep(0.01)
    raise AssertionError("Nobody waited: the two did not meet.")
