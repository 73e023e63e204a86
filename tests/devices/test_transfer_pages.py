"""The pages on which a device is given, taken over, and waited for."""

import re
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django_scopes import scopes_disabled

from devices.life.transfers import transfer_code
from devices.models import Device, DeviceAuthorization, Transfer
from households.models import Household, Membership
from households.roles import Role
from tests.devices.transfers import accept, come, give, kitchen
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def no_scope() -> Iterator[None]:
    cache.clear()
    with scopes_disabled():
        yield


@pytest.fixture
def anna(cast: Cast) -> Client:
    client = Client()
    client.force_login(cast.anna.user)
    return client


@pytest.fixture
def carla(cast: Cast) -> Client:
    client = Client()
    client.force_login(cast.carla.user)
    return client


def words(response: object) -> str:
    content: bytes = response.content  # type: ignore[attr-defined]
    return " ".join(content.decode().split())


NOTHING_TO_PRESS = "At the device itself there is nothing to press or to type."


def link_of(client: Client, cast: Cast) -> str:
    page = client.post(reverse("devices:give", args=[cast.kitchen.public_id]), follow=True)
    assert page["Cache-Control"] == "no-store"
    assert NOTHING_TO_PRESS in words(page)
    match = re.search(r"/take/#t=([\w-]{22})<", page.content.decode())
    assert match
    return match[1]


@pytest.mark.parametrize("is_auto_answer", [True, False])
def test_whoever_takes_it_over_says_whether_it_may_answer_by_itself(
    anna: Client, carla: Client, cast: Cast, is_auto_answer: bool
) -> None:
    token = link_of(anna, cast)
    page = words(carla.post(reverse("devices:take"), {"token": token}))
    assert "May answer calls by itself" in page
    said = {"is_auto_answer": "on"} if is_auto_answer else {}
    home = str(cast.carla.household.public_id)
    fields = {"token": token, "household": home, "name": "Mill speaker", "room_name": "", **said}
    carla.post(reverse("devices:take-accept"), fields)
    come(cast, transfer_code(device=cast.kitchen))
    assert Device.objects.get(name="Mill speaker").is_auto_answer is is_auto_answer


def test_from_page_to_page(anna: Client, carla: Client, cast: Cast) -> None:
    token = link_of(anna, cast)
    detail = reverse("devices:detail", args=[cast.kitchen.public_id])
    assert "A link is out, made by Anna." in words(anna.get(detail))
    page = words(carla.post(reverse("devices:take"), {"token": token}))
    assert "Anna gives you this device." in page
    assert NOTHING_TO_PRESS in page
    assert "Lake House" not in page
    home = str(cast.carla.household.public_id)
    answer = carla.post(
        reverse("devices:take-accept"),
        {"token": token, "household": home, "name": "Mill speaker", "room_name": "Hall"},
    )
    transfer = Transfer.objects.get()
    assert answer["Location"] == reverse("devices:coming", args=[transfer.public_id])
    assert "Waits for the device" in words(carla.get(answer["Location"]))
    assert "Waiting for <strong>Mill speaker</strong>" in words(carla.get("/"))
    assert anna.get(detail).status_code == 404
    come(cast, transfer_code(device=cast.kitchen))
    transfer.refresh_from_db()
    assert transfer.to_device is not None
    assert transfer.to_device.room is not None
    joining = reverse("devices:joining", args=[transfer.to_device.public_id])
    assert carla.get(answer["Location"])["Location"] == joining
    part = carla.get(answer["Location"], headers={"HX-Request": "true"})
    assert part["HX-Redirect"] == joining
    assert "Waiting for" not in words(carla.get("/"))


def test_the_giver_is_told_to_pass_the_link_on_and_has_no_button(anna: Client, cast: Cast) -> None:
    token = link_of(anna, cast)
    page = words(anna.post(reverse("devices:take"), {"token": token}))
    assert "This is your own link." in page
    assert "Pass it on" in page
    assert reverse("devices:take-accept") not in page
    answer = anna.post(
        reverse("devices:take-accept"),
        {"token": token, "household": str(cast.anna.household.public_id), "name": "x"},
    )
    assert answer.status_code == 404
    assert kitchen(cast).revoked_at is None


def test_whoever_has_no_home_is_told_whose_times_these_are(anna: Client, carla: Client, cast: Cast) -> None:
    token = link_of(anna, cast)
    Membership.objects.filter(pk=cast.carla.pk).delete()
    Household.objects.update(time_zone="Pacific/Auckland")
    page = carla.post(reverse("devices:take"), {"token": token})
    assert 'data-zone="Pacific/Auckland"' in words(page)
    assert "Times are those of this hub, where it is" in words(page)


def test_who_manages_no_home_is_told_so(anna: Client, carla: Client, cast: Cast) -> None:
    token = link_of(anna, cast)
    Membership.objects.filter(pk=cast.carla.pk).update(role=Role.CHILD)
    page = words(carla.post(reverse("devices:take"), {"token": token}))
    assert "You cannot add devices in any home." in page


def test_a_home_of_somebody_else_looks_absent(anna: Client, carla: Client, cast: Cast) -> None:
    token = link_of(anna, cast)
    tower = Household.objects.create(name="Tower")
    for household in (tower.public_id, "5f1d7c0e-9a3b-4c2d-8e6f-7a8b9c0d1e2f", ""):
        answer = carla.post(
            reverse("devices:take-accept"), {"token": token, "household": str(household), "name": "x"}
        )
        assert answer.status_code == 404
    assert kitchen(cast).revoked_at is None


def test_a_name_is_asked_for_again_and_nothing_has_happened(anna: Client, carla: Client, cast: Cast) -> None:
    token, home = link_of(anna, cast), str(cast.carla.household.public_id)
    answer = carla.post(
        reverse("devices:take-accept"), {"token": token, "household": home, "name": "", "room_name": ""}
    )
    assert answer.status_code == 400
    assert "Give the device a name." in words(answer)
    assert kitchen(cast).revoked_at is None


def test_a_link_that_is_closed_is_told_in_words(anna: Client, carla: Client, cast: Cast) -> None:
    token = link_of(anna, cast)
    anna.post(reverse("devices:give-cancel", args=[cast.kitchen.public_id]))
    answer = carla.post(reverse("devices:take"), {"token": token})
    assert (answer.status_code, "This link was taken back." in words(answer)) == (409, True)


def test_whoever_opens_the_address_of_a_button_is_led_to_where_it_is(
    anna: Client, carla: Client, cast: Cast
) -> None:
    detail = reverse("devices:detail", args=[cast.kitchen.public_id])
    for name in ("give", "give-cancel"):
        assert anna.get(reverse(f"devices:{name}", args=[cast.kitchen.public_id]))["Location"] == detail
    assert anna.get(reverse("devices:take-accept"))["Location"] == reverse("devices:take")
    transfer = accept(cast, give(cast))
    give_up = reverse("devices:coming-give-up", args=[transfer.public_id])
    assert carla.get(give_up)["Location"] == reverse("devices:coming", args=[transfer.public_id])
    assert carla.post(give_up, follow=True).status_code == 200
    assert anna.get(reverse("devices:coming", args=[transfer.public_id])).status_code == 404


def test_a_stranger_s_page_reads_nothing_before_the_sign_in(anna: Client, cast: Cast) -> None:
    token = link_of(anna, cast)
    stranger = Client()
    assert stranger.get(reverse("devices:take")).status_code == 200
    answer = stranger.post(reverse("devices:take"), {"token": token})
    assert answer["Location"].startswith(reverse("account_login"))
    assert DeviceAuthorization.objects.filter(serial="SN-7").count() == 0
