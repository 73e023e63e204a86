"""What became of a device: for whoever had a right to it until then, and for nobody else."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from common.clock import now
from devices.life.transfers import transfer_accept, transfer_create, transfer_find
from devices.models import Device, Loan
from devices.past import device_past
from devices.services import device_unclaim
from households.models import Household, Membership
from households.roles import Role
from tests.devices.adding import added_again
from tests.plugin_cast import Cast, guest_make, loan_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

ABSENT = "There is no such device."


def read(member: Membership, cast: Cast, name: str = "detail") -> str:
    client = Client()
    client.force_login(member.user, "django.contrib.auth.backends.ModelBackend")
    answer = client.get(reverse(f"devices:{name}", args=[cast.kitchen.public_id]))
    assert answer.status_code in (403, 404)
    return " ".join(answer.content.decode().split())


def give(cast: Cast) -> None:
    with scopes_disabled():
        _, token = transfer_create(membership=cast.anna, device=cast.kitchen)
        transfer_accept(
            transfer=transfer_find(token=token),
            membership=cast.carla,
            name="Mill speaker",
            room=None,
            is_auto_answer=True,
        )


def remove(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        device_unclaim(device=cast.kitchen, by=cast.anna.user)


def lend(cast: Cast, member: Membership, **times: datetime) -> Loan:
    with scope(household=cast.anna.household):
        return loan_make(cast.kitchen, member, can_talk=True, **times)


@pytest.mark.parametrize("name", ["detail", "call"])
def test_who_lived_with_a_device_reads_that_it_was_given_away(cast: Cast, name: str) -> None:
    give(cast)
    for member in (cast.anna, cast.ben):
        page = read(member, cast, name)
        assert "Kitchen speaker was given to another home today. Its calls stay in the list." in page
        assert "Not here any more</h1>" in page
        assert "Mill" not in page
    assert ABSENT in read(cast.carla, cast, name)  # who has it now knows it by another id


def test_who_lived_with_a_device_reads_that_it_was_removed(cast: Cast) -> None:
    remove(cast)
    assert "Kitchen speaker was removed today." in read(cast.ben, cast)
    assert ABSENT in read(cast.carla, cast)


def test_who_came_later_finds_nothing(cast: Cast) -> None:
    remove(cast)
    with scope(household=cast.anna.household):
        Device.objects.filter(pk=cast.kitchen.pk).update(revoked_at=now() - timedelta(days=1))
    page = read(cast.ben, cast)  # he has been here since a moment ago
    assert ABSENT in page
    assert "Kitchen" not in page


@pytest.mark.parametrize("name", ["detail", "call"])
def test_a_guest_reads_when_the_loan_ended(cast: Cast, name: str) -> None:
    Household.objects.filter(pk=cast.anna.household.pk).update(time_zone="UTC")
    guest, yesterday = guest_make(cast), now() - timedelta(days=1)
    lend(cast, guest, starts_at=yesterday - timedelta(hours=2), ends_at=yesterday)
    words = f"Your loan of Kitchen speaker ended yesterday at {yesterday:%H:%M}."
    assert words in read(guest, cast, name)
    with scope(household=cast.anna.household):  # also while something else is lent
        Device.objects.create(
            household=guest.household, name="Attic", model="x", serial="9", claimed_at=now(), kind="foreign"
        )
        loan_make(Device.objects.get(name="Attic"), guest, can_talk=True)
    assert words in read(guest, cast)


def test_a_loan_that_was_ended_before_its_time_ended_then(cast: Cast) -> None:
    guest = guest_make(cast)
    loan = lend(cast, guest)
    with scope(household=cast.anna.household):
        Loan.objects.filter(pk=loan.pk).update(ended_at=now())
    assert "Your loan of Kitchen speaker ended today at" in read(guest, cast)


def test_a_guest_who_had_it_when_it_was_given_away_reads_that(cast: Cast) -> None:
    guest = guest_make(cast)
    lend(cast, guest)
    give(cast)
    assert "Kitchen speaker was given to another home today." in read(guest, cast)


@pytest.mark.parametrize("case", ["nothing was lent", "to come", "taken back before", "to somebody else"])
def test_a_guest_who_never_had_it_reads_nothing_of_it(cast: Cast, case: str) -> None:
    guest, later = guest_make(cast), now() + timedelta(days=1)
    if case == "to come":
        lend(cast, guest, starts_at=later, ends_at=later + timedelta(hours=1))
    if case == "taken back before":
        loan = lend(cast, guest, starts_at=later, ends_at=later + timedelta(hours=1))
        with scope(household=cast.anna.household):
            Loan.objects.filter(pk=loan.pk).update(ended_at=now())
    if case == "to somebody else":
        lend(cast, cast.ben, ends_at=now() - timedelta(minutes=1))
    assert "Kitchen" not in read(guest, cast)
    with scope(household=cast.anna.household):
        assert device_past(membership=guest, public_id=cast.kitchen.public_id) == ""


def test_a_member_who_became_a_guest_before_finds_nothing(cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.GUEST)
    remove(cast)
    assert "Kitchen" not in read(cast.ben, cast)


def test_whoever_shows_another_home_now_is_offered_the_one_in_which_it_was(cast: Cast) -> None:
    Membership.objects.create(user=cast.carla.user, household=cast.anna.household, role=Role.CHILD)
    remove(cast)
    page = read(cast.carla, cast)
    assert "This belongs to Lake House" in page
    assert "Kitchen" not in page


@pytest.mark.parametrize(
    ("moment", "today", "words"),
    [
        (datetime(2026, 5, 3, 12, tzinfo=UTC), datetime(2026, 5, 3, 21, tzinfo=UTC), "today"),
        (
            datetime(2026, 5, 3, 12, tzinfo=UTC),
            datetime(2026, 5, 3, 23, tzinfo=UTC),
            "yesterday",
        ),  # in Berlin
        (datetime(2026, 5, 3, 12, tzinfo=UTC), datetime(2026, 11, 22, 12, tzinfo=UTC), "on 3 May"),
        (datetime(2025, 5, 3, 12, tzinfo=UTC), datetime(2026, 5, 3, 12, tzinfo=UTC), "on 3 May 2025"),
    ],
)
def test_the_day_is_told_in_words(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, moment: datetime, today: datetime, words: str
) -> None:
    Household.objects.filter(pk=cast.anna.household.pk).update(time_zone="Europe/Berlin")
    with scope(household=cast.anna.household):
        Membership.objects.filter(pk=cast.ben.pk).update(created_at=moment)
        Device.objects.filter(pk=cast.kitchen.pk).update(revoked_at=moment)
        cast.ben.refresh_from_db()
        monkeypatch.setattr("devices.sharing.over.now", lambda: today)
        past = device_past(membership=cast.ben, public_id=cast.kitchen.public_id)
    assert past == f"Kitchen speaker was removed {words}. Its calls stay in the list."


def test_at_the_old_address_of_a_device_that_was_added_again_stands_that_it_was(cast: Cast) -> None:
    new = added_again(cast, cast.kitchen, cast.anna)
    page = read(cast.ben, cast)
    assert "Kitchen speaker was reset and added again." in page
    assert "was removed" not in page
    assert ABSENT in read(cast.carla, cast)
    with scope(household=cast.anna.household):
        device_unclaim(device=new)
    assert "Kitchen speaker was removed today." in read(cast.ben, cast)
