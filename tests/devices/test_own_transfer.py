"""A device goes from one home of a person to another home of theirs."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scopes_disabled

from common.clock import now
from devices.models import Transfer
from households.models import Membership
from households.roles import Role
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def anna(cast: Cast) -> Client:
    """Signed in, with a second home: the Mill."""
    Membership.objects.create(user=cast.anna.user, household=cast.carla.household, role=Role.OWNER)
    client = Client()
    client.force_login(cast.anna.user)
    return client


def page_of(answer: object) -> str:
    content: bytes = answer.content  # type: ignore[attr-defined]
    return " ".join(content.decode().split())


def test_the_link_leads_to_the_other_home_and_says_later_where_the_device_is(
    anna: Client, cast: Cast
) -> None:
    given = page_of(anna.post(reverse("devices:give", args=[cast.kitchen.public_id]), follow=True))
    assert "To another home of yours" in given
    found = re.search(r"/take/#t=([\w-]{22})<", given)
    assert found
    assert f'href="http://testserver/take/#t={found[1]}"' in given
    token = {"token": found[1]}
    page = page_of(anna.post(reverse("devices:take"), token))
    assert "From one home of yours to another." in page
    assert "Take it over to Mill" in page
    fields = token | {"household": str(cast.carla.household.public_id), "name": "Kitchen", "room_name": ""}
    with scopes_disabled():
        first = anna.post(reverse("devices:take-accept"), fields)["Location"]
        there = reverse("devices:coming", args=[Transfer.objects.get().public_id])
    assert first == there
    for again in ("devices:take", "devices:take-accept"):  # opened, or pressed, once more
        assert anna.post(reverse(again), fields)["Location"] == there


def test_on_another_phone_the_link_leads_to_the_home_that_it_went_to(anna: Client, cast: Cast) -> None:
    given = page_of(anna.post(reverse("devices:give", args=[cast.kitchen.public_id]), follow=True))
    token = re.findall(r"/take/#t=([\w-]{22})<", given)[0]
    fields = {
        "token": token,
        "household": str(cast.carla.household.public_id),
        "name": "Kitchen",
        "room_name": "",
    }
    anna.post(reverse("devices:take-accept"), fields)
    phone = Client()
    phone.force_login(cast.anna.user)  # which shows the first home
    assert "Waits for the device" in page_of(phone.post(reverse("devices:take"), fields, follow=True))
    address = phone.post(reverse("devices:take"), fields)["Location"]
    phone.post(reverse("devices:coming-give-up", args=[address.split("/")[-2]]))
    assert "Kitchen will not come: nobody waits for it any more." in page_of(
        phone.post(reverse("devices:take"), fields, follow=True)
    )
    Membership.objects.filter(user=cast.anna.user, household=cast.carla.household).delete()
    answer = phone.post(reverse("devices:take"), fields)
    assert answer.status_code == 404
    assert "a home to which you do not belong any more" in page_of(answer)


def test_somebody_else_still_reads_that_the_link_was_used(anna: Client, cast: Cast) -> None:
    given = page_of(anna.post(reverse("devices:give", args=[cast.kitchen.public_id]), follow=True))
    token = re.findall(r"/take/#t=([\w-]{22})<", given)[0]
    fields = {"token": token, "household": str(cast.carla.household.public_id), "name": "K", "room_name": ""}
    anna.post(reverse("devices:take-accept"), fields)
    carla = Client()
    carla.force_login(cast.carla.user)
    assert "Somebody else took this device over" in page_of(carla.post(reverse("devices:take"), fields))


def test_who_waits_reads_once_that_it_will_not_come(anna: Client, cast: Cast) -> None:
    given = page_of(anna.post(reverse("devices:give", args=[cast.kitchen.public_id]), follow=True))
    token = re.findall(r"/take/#t=([\w-]{22})<", given)[0]
    home = str(cast.carla.household.public_id)
    fields = {"token": token, "household": home, "name": "Kitchen", "room_name": ""}
    there = anna.post(reverse("devices:take-accept"), fields)["Location"]
    with scopes_disabled():
        Transfer.objects.update(cancelled_at=now())
    for _ in range(2):  # the page asks again before it is gone
        leads = anna.get(there, headers={"HX-Request": "true"})["HX-Redirect"]
    sentence = "Kitchen will not come: nobody waits for it any more."
    assert page_of(anna.get(leads, follow=True)).count(sentence) == 1
    assert sentence not in page_of(anna.get(reverse("devices:home")))
