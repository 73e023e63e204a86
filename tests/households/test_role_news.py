"""Whose role somebody else changed reads who did it, what they are now and what that means, until they close it."""

from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from common.clock import now
from households.models import Membership
from households.people.members import household_hand_over, role_change
from households.roles import Role
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

READ = reverse("people:role-read")
GUEST = "Anna made you a guest in Lake House. You see what is lent to you."


@pytest.fixture
def ben(client: Client, cast: Cast) -> Client:
    """A child of Lake House."""
    client.force_login(cast.ben.user)
    return client


def news(client: Client, page: str = "/") -> list[str]:
    html = unescape(client.get(page).content.decode())
    return [part.partition("<")[0] for part in html.split("<p data-news>")[1:]]


def close(client: Client, member: Membership, role: str) -> int:
    fields = {"household": str(member.household.public_id), "role": role}
    return client.post(READ, fields, headers={"HX-Request": "true"}).status_code


def test_every_page_says_it_until_it_is_closed_also_one_that_is_refused_now(ben: Client, cast: Cast) -> None:
    assert news(ben) == []
    role_change(member=cast.ben, role=Role.GUEST, by=cast.anna)
    for page in ("/", reverse("households:settings"), reverse("people:list")):
        assert news(ben, page) == [GUEST]
    assert ben.get(reverse("people:list")).status_code == 403
    assert close(ben, cast.ben, "guest") == 200
    assert news(ben) == []


@pytest.mark.parametrize(
    ("role", "words"),
    [
        (Role.OWNER, "an owner in Lake House. You manage everything, also the people."),
        (Role.ADULT, "an adult in Lake House. You manage devices and hear recordings."),
    ],
)
def test_it_says_what_somebody_may_do_now(ben: Client, cast: Cast, role: Role, words: str) -> None:
    role_change(member=cast.ben, role=role, by=cast.anna)
    assert news(ben) == [f"Anna made you {words}"]


def test_who_closes_what_was_so_before_is_told_of_what_is_so_now(ben: Client, cast: Cast) -> None:
    role_change(member=cast.ben, role=Role.GUEST, by=cast.anna)
    role_change(member=cast.ben, role=Role.ADULT, by=cast.anna)
    close(ben, cast.ben, "guest")
    assert news(ben) == ["Anna made you an adult in Lake House. You manage devices and hear recordings."]


def test_nobody_is_told_of_what_they_did_themselves(client: Client, cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    household_hand_over(member=cast.ben, by=cast.anna)
    client.force_login(cast.anna.user)
    assert news(client) == []
    client.force_login(cast.ben.user)
    assert news(client) == ["Anna made you an owner in Lake House. You manage everything, also the people."]
    role_change(member=cast.anna, role=Role.OWNER, by=cast.ben)
    role_change(member=cast.ben, role=Role.CHILD, by=cast.ben)
    assert news(client) == []


def test_pages_of_another_home_say_it_too_and_there_it_can_be_closed(ben: Client, cast: Cast) -> None:
    mill = Membership.objects.create(
        user=cast.ben.user, household=cast.carla.household, role=Role.ADULT, consented_at=now()
    )
    role_change(member=mill, role=Role.CHILD, by=cast.carla)
    assert "Lake House" in ben.get("/").content.decode()
    assert news(ben) == ["Carla made you a child in Mill. You call and announce."]
    close(ben, mill, "child")
    assert news(ben) == []


def test_nobody_closes_what_is_for_somebody_else(client: Client, cast: Cast) -> None:
    role_change(member=cast.ben, role=Role.GUEST, by=cast.anna)
    client.force_login(cast.anna.user)
    close(client, cast.ben, "guest")
    client.force_login(cast.carla.user)
    assert close(client, cast.ben, "guest") == 404
    client.force_login(cast.ben.user)
    assert news(client) == [GUEST]
