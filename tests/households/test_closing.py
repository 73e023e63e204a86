"""Leaving a home in which nobody else is, such as one that was added by mistake."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from announcements.services import announcement_send
from calls.models import Call
from common.clock import now
from common.errors import Conflict
from devices.services import device_remove
from households.models import Departure, Household, Invitation, Membership
from households.people.invitations import invitation_accept, invitation_create
from households.people.members import member_leave
from households.record.audit import audit_list, audit_sentence
from households.roles import Role
from households.selectors import household_list
from households.services import household_create
from protocol.messages.calls import CallState
from tests.households.waiting import before
from tests.plugin_cast import Cast, device_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

LEAVE, SURE = reverse("people:leave"), {"sure": "yes"}


@pytest.fixture
def attic(client: Client, cast: Cast) -> Membership:
    """Anna's second home, which her pages show. Nothing is in it."""
    cache.clear()
    made = household_create(user=cast.anna.user, name="Attic", time_zone="UTC", language="en")
    client.force_login(cast.anna.user)
    client.post(reverse("households:home-switch"), {"household": str(made.household.public_id)})
    return made


def told(household: Household) -> list[str]:
    with scope(household=household):
        return [audit_sentence(entry) for entry in audit_list(household).order_by("number")]


def test_a_home_added_by_mistake_is_closed_by_leaving_it(client: Client, attic: Membership) -> None:
    _, secret = invitation_create(membership=attic, role=Role.ADULT, name="Dora")
    page = client.get(LEAVE).content.decode()
    assert "nobody can open it any more" in page
    client.post(LEAVE)
    assert Membership.objects.filter(pk=attic.pk).exists()
    page = client.post(LEAVE, SURE, follow=True).content.decode()
    assert "You left Attic, and it is closed." in page
    assert "Kitchen speaker" in page
    assert "Switch to Attic" not in page
    assert not Departure.objects.get().is_removal
    assert told(attic.household)[-2:] == ["Anna took back the invitation of Dora.", "Anna left."]
    assert "This invitation was taken back." in client.post("/join/", {"token": secret}).content.decode()


def test_its_name_is_free_again(cast: Cast, attic: Membership) -> None:
    with scope(household=attic.household):
        member_leave(membership=attic)
    household_create(user=cast.anna.user, name="Attic", time_zone="UTC", language="en")


def test_a_closed_home_does_not_count_among_those_of_the_hub(cast: Cast, attic: Membership) -> None:
    before_it = list(household_list())
    with scope(household=attic.household):
        member_leave(membership=attic)
    assert before_it == [cast.anna.household, cast.carla.household, attic.household]
    assert list(household_list()) == before_it[:2]


def test_a_home_with_a_device_in_it_is_not_left_to_nobody(client: Client, attic: Membership) -> None:
    with scope(household=attic.household):
        device_make(attic, "Loft speaker", "Loft")
    sentence = "You are the only person in Attic, and this is still here: Loft speaker."
    assert sentence in client.get(LEAVE).content.decode()
    late = client.post(LEAVE, SURE)
    assert (late.status_code, sentence in late.content.decode()) == (409, True)
    assert Membership.objects.filter(pk=attic.pk).exists()


def test_a_home_that_had_a_device_and_calls_is_closed_all_the_same(client: Client, attic: Membership) -> None:
    with scope(household=attic.household):
        device, _ = device_make(attic, "Loft speaker", "Loft")
        Call.objects.create(
            household=attic.household,
            device=device,
            started_by=attic.user,
            state=CallState.ENDED,
            ended_at=now(),
        )
        announcement_send(membership=attic, devices=[device], text="Dinner is ready.")
        device_remove(membership=attic, device=device)
    assert "where nobody can find it any more" in client.get(LEAVE).content.decode()
    client.post(LEAVE, SURE)
    assert not Membership.objects.filter(pk=attic.pk).exists()


def test_nobody_leaves_the_only_home_that_they_have_to_nobody(client: Client, cast: Cast) -> None:
    with scopes_disabled():
        cast.cellar.delete()
    client.force_login(cast.carla.user)
    assert "it is the only home that you have here" in client.get(LEAVE).content.decode()
    assert client.post(LEAVE, SURE).status_code == 409


@pytest.mark.django_db(transaction=True)
def test_somebody_who_joins_at_the_same_moment_is_not_left_alone(cast: Cast) -> None:
    attic = household_create(user=cast.anna.user, name="Attic", time_zone="UTC", language="en")
    _, secret = invitation_create(membership=attic, role=Role.ADULT, name="Ben")
    refused: list[str] = []

    def leave() -> None:
        with scope(household=attic.household):
            try:
                member_leave(membership=attic)
            except Conflict as refusal:
                refused.append(refusal.message)

    with before(leave):
        invitation_accept(token=secret, user=cast.ben.user)
    assert refused == ["You are the only owner. Hand the home over to somebody first."]
    assert Membership.objects.filter(household=attic.household).count() == 2
    assert Invitation.objects.get().used_by == cast.ben.user
