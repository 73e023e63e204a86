"""What a guest reads on the first page before a loan begins."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils.html import strip_tags
from django_scopes import scope

from common.clock import now
from devices.models import Loan
from devices.services import device_unclaim
from households.models import Membership
from tests.plugin_cast import Cast, device_make, guest_make, loan_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

HOUR = timedelta(hours=1)


@pytest.fixture
def gil(cast: Cast) -> Membership:
    return guest_make(cast)


def lend_later(cast: Cast, to: Membership, **what: object) -> Loan:
    times = {"starts_at": now() + HOUR, "ends_at": now() + 2 * HOUR}
    with scope(household=to.household):
        return loan_make(cast.kitchen, to, can_talk=True, **times | what)


def home_of(member: Membership) -> str:
    client = Client()
    client.force_login(member.user, "django.contrib.auth.backends.ModelBackend")
    page = client.get("/").content.decode()
    return " ".join(strip_tags(page.split("<main")[1]).split())


def words_of(moment: datetime) -> str:
    """The times of the cast's home are in UTC."""
    is_today = moment.date() == now().date()
    return f"{moment:%H:%M}" if is_today else f"{moment.day} {moment:%B}, {moment:%H:%M}"


def test_a_guest_reads_what_will_be_lent_from_when_and_until_when(cast: Cast, gil: Membership) -> None:
    loan = lend_later(cast, gil)
    words = f"lent to you from {words_of(loan.starts_at)} until {words_of(loan.ends_at)}."
    assert f"Kitchen speaker is {words}" in home_of(gil)
    assert "lent to you from" not in home_of(cast.ben)  # it is not lent to Ben


def test_a_loan_that_began_was_called_off_or_lost_its_device_does_not_come(
    cast: Cast, gil: Membership
) -> None:
    with scope(household=gil.household):
        attic, _ = device_make(cast.anna, "Attic speaker", "Attic")
    lend_later(cast, gil, starts_at=now())
    lend_later(cast, gil, ended_at=now())
    assert "lent to you from" not in home_of(gil)
    with scope(household=gil.household):
        loan_make(attic, gil, can_talk=True, starts_at=now() + HOUR, ends_at=now() + 2 * HOUR)
        assert "Attic speaker is lent to you from" in home_of(gil)
        device_unclaim(device=attic, by=cast.anna.user)
    assert "is lent to you from" not in home_of(gil)
