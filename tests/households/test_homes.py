"""Several homes: one more, switching, and what is in the other one."""

import re
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from announcements.services import announcement_send
from calls.models import Call
from common.clock import now
from households.models import Household, Membership
from households.people.invitations import invitation_create
from households.people.members import member_remove
from households.record.audit import audit_list, audit_sentence
from households.roles import Role
from households.services import api_token_create
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast
from tests.signaling.sockets import browser_open

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

NEW = {"household_name": "Attic", "time_zone": "Europe/Berlin", "language": "de", "consent": "on"}


@pytest.fixture
def anna(client: Client, cast: Cast) -> Client:
    """Anna, an adult of Carla's Mill as well. Her pages show Lake House."""
    cache.clear()
    Membership.objects.create(
        user=cast.anna.user, household=cast.carla.household, role=Role.ADULT, consented_at=now()
    )
    client.force_login(cast.anna.user)
    _switch(client, cast.anna.household)
    return client


def _switch(client: Client, household: Household, **more: str) -> str:
    answer = client.post(reverse("households:home-switch"), {"household": str(household.public_id), **more})
    return str(answer["Location"])


def _home_of(client: Client) -> str:
    page = client.get("/").content.decode()
    return page.partition("<title>")[2].partition("</title>")[0].split("·")[1].strip()


def test_a_person_of_several_homes_switches_between_them(anna: Client, cast: Cast) -> None:
    assert _home_of(anna) == "Lake House"
    page = anna.get("/").content.decode()
    assert 'aria-label="Switch to Mill"' in page
    assert "Kitchen speaker" in page
    assert _switch(anna, cast.carla.household) == "/"
    assert _home_of(anna) == "Mill"
    assert "Kitchen speaker" not in anna.get("/").content.decode()


def test_two_homes_of_one_name_are_told_apart_by_their_owners_where_one_is_chosen(
    anna: Client, cast: Cast
) -> None:
    def names(page: str) -> set[str]:
        return set(re.findall(r"(?:Lake House|lake house|Mill)(?: \([^)]*\))?", page))

    dialog = anna.get("/").content.decode().partition('id="homes-dialog"')[2]
    assert names(dialog) == {"Lake House", "Mill"}
    Household.objects.filter(pk=cast.carla.household.pk).update(name="lake house")
    page = anna.get("/").content.decode()
    assert names(page.partition('id="homes-dialog"')[2]) == {"Lake House (Anna)", "lake house (Carla)"}
    assert 'aria-label="Lake House (Anna): choose another home"' in page
    with scope(household=cast.carla.household):
        away = anna.get(reverse("devices:detail", args=[cast.cellar.public_id])).content.decode()
    assert "This belongs to lake house (Carla)" in away


def test_a_person_of_one_home_has_no_switch_and_no_way_into_another(client: Client, cast: Cast) -> None:
    client.force_login(cast.ben.user)
    assert "homes-button" not in client.get("/").content.decode()
    url = reverse("households:home-switch")
    assert client.get(url)["Location"] == reverse("households:settings")
    for other in (str(cast.carla.household.public_id), str(uuid4()), "nonsense", ""):
        assert client.post(url, {"household": other}).status_code == 404
    assert _home_of(client) == "Lake House"


def test_switching_leads_to_no_other_host(anna: Client, cast: Cast) -> None:
    assert _switch(anna, cast.carla.household, next="https://example.org/") == "/"
    assert _switch(anna, cast.carla.household, next="/settings/") == "/settings/"


def test_a_form_of_the_home_before_is_refused_after_a_switch_in_another_tab(anna: Client, cast: Cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies.update(anna.cookies)
    url = reverse("households:settings")
    token = strict.get(url).content.decode().partition('csrfmiddlewaretoken" value="')[2].partition('"')[0]
    fields = {"household_name": "Hill", "time_zone": "UTC", "language": "en", "csrfmiddlewaretoken": token}
    homes = [cast.anna.household, cast.carla.household]
    elsewhere = next(home for home in homes if home.name != _home_of(anna))
    switch = {"household": str(elsewhere.public_id), "csrfmiddlewaretoken": token}
    assert strict.post(reverse("households:home-switch"), switch).status_code == 302
    assert strict.post(url, fields).status_code == 403
    for home in homes:
        home.refresh_from_db()
    assert [home.name for home in homes] == ["Lake House", "Mill"]


def test_no_two_homes_of_a_person_have_one_name(anna: Client, cast: Cast) -> None:
    taken = "already. Choose another name."
    url, settings = reverse("households:home-add"), reverse("households:settings")
    answer = anna.post(url, NEW | {"household_name": " lake house "})
    assert answer.status_code == 400
    assert f"You have a home with the name lake house {taken}" in answer.content.decode()
    assert Household.objects.filter(name__iexact="lake house").count() == 1
    renamed = anna.post(settings, NEW | {"household_name": "Mill"})
    assert renamed.status_code == 400
    assert f"You have a home with the name Mill {taken}" in renamed.content.decode()
    cast.anna.household.refresh_from_db()
    assert cast.anna.household.name == "Lake House"
    Household.objects.filter(pk=cast.carla.household.pk).update(name="Lake House")
    assert anna.post(settings, NEW | {"household_name": "Lake House"}).status_code == 302  # it had it before


def test_a_home_may_be_called_as_one_of_others(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    answer = client.post(reverse("households:home-add"), NEW | {"household_name": "Mill"})
    assert answer.status_code == 302
    assert Household.objects.filter(name="Mill").count() == 2


def test_a_part_of_an_open_page_comes_from_the_home_of_its_page(anna: Client, cast: Cast) -> None:
    _switch(anna, cast.carla.household)
    of_page = {"X-Household": str(cast.anna.household.public_id), "HX-Request": "true"}
    page = anna.get("/", headers=of_page).content.decode()
    assert "Kitchen speaker" in page
    assert "Cellar speaker" not in page
    for other in (str(uuid4()), "nonsense"):
        assert anna.get("/", headers=of_page | {"X-Household": other}).status_code == 403
    assert _home_of(anna) == "Mill"


def _things(cast: Cast) -> list[str]:
    """Addresses of one of each of the Mill's things."""
    with scope(household=cast.carla.household):
        call = Call.objects.create(
            household=cast.carla.household, device=cast.cellar, state=CallState.ENDED, ended_at=now()
        )
        said = announcement_send(membership=cast.carla, text="Dinner.", devices=[cast.cellar])
    return [
        reverse("devices:detail", args=[cast.cellar.public_id]),
        reverse("calls:detail", args=[call.public_id]),
        reverse("announcements:detail", args=[said.public_id]),
    ]


def test_a_link_to_the_other_home_says_whose_it_is_to_members_of_both(anna: Client, cast: Cast) -> None:
    for path in _things(cast):
        answer = anna.get(path)
        assert answer.status_code == 404
        assert "This belongs to Mill" in answer.content.decode()
        assert _home_of(anna) == "Lake House"  # nothing switches by itself
        assert _switch(anna, cast.carla.household, next=path) == path
        assert anna.get(path).status_code == 200
        _switch(anna, cast.anna.household)


def test_so_does_a_page_of_its_people_to_whoever_owns_it(anna: Client, cast: Cast) -> None:
    """Here they are an adult, and the page is the owners'."""
    invitation, _ = invitation_create(membership=cast.anna, role=Role.CHILD, name="Dora")
    paths = [
        reverse("people:invitation", args=[invitation.public_id]),
        reverse("people:member", args=[cast.ben.public_id]),
        reverse("households:token", args=[api_token_create(membership=cast.anna, name="Door")[0].public_id]),
    ]
    _switch(anna, cast.carla.household)
    for path in paths:
        answer = anna.get(path)
        assert answer.status_code == 404
        assert "This belongs to Lake House" in answer.content.decode()


def test_a_link_to_a_home_of_others_looks_like_nothing(client: Client, cast: Cast) -> None:
    client.force_login(cast.ben.user)
    missing = reverse("devices:detail", args=[uuid4()])
    nothing = client.get(missing).content.decode()
    assert "Mill" not in nothing
    for path in _things(cast)[:1]:
        assert client.get(path).content.decode().count("There is no such device.") == 1
        assert "Mill" not in client.get(path).content.decode()


def test_what_a_guest_of_the_other_home_may_not_see_there_looks_absent_here(anna: Client, cast: Cast) -> None:
    Membership.objects.filter(user=cast.anna.user, household=cast.carla.household).update(role=Role.GUEST)
    for path in _things(cast):
        assert "Mill</h1>" not in anna.get(path).content.decode()


def test_a_guest_here_who_is_an_owner_there_is_offered_their_own_home(client: Client, cast: Cast) -> None:
    Membership.objects.create(user=cast.carla.user, household=cast.anna.household, role=Role.GUEST)
    client.force_login(cast.carla.user)
    _switch(client, cast.anna.household)
    call = _things(cast)[1]
    assert "This belongs to Mill" in client.get(call).content.decode()


def test_an_adult_adds_another_home_of_which_they_are_the_owner(anna: Client, cast: Cast) -> None:
    answer = anna.post(reverse("households:home-add"), NEW)
    assert answer["Location"] == "/"
    made = Membership.objects.select_related("household").get(household__name="Attic")
    assert (made.user, made.role, made.household.time_zone) == (cast.anna.user, "owner", "Europe/Berlin")
    assert made.consented_at is not None
    assert _home_of(anna) == "Attic"
    with scope(household=made.household):
        told = [audit_sentence(entry) for entry in audit_list(made.household).order_by("number")]
    assert told == ["Anna joined as an owner.", "Anna agreed that calls are recorded."]


def test_another_home_needs_a_yes_to_recording_and_more_than_a_child(client: Client, cast: Cast) -> None:
    cache.clear()
    client.force_login(cast.anna.user)
    assert client.post(reverse("households:home-add"), NEW | {"consent": ""}).status_code == 400
    client.force_login(cast.ben.user)
    assert client.post(reverse("households:home-add"), NEW).status_code == 403
    assert not Household.objects.filter(name="Attic").exists()


def test_homes_are_not_added_without_end(anna: Client, cast: Cast) -> None:
    url = reverse("households:home-add")
    answers = [anna.post(url, NEW | {"household_name": f"Hut {i}"}).status_code for i in range(6)]
    assert answers == [302] * 5 + [429]


def test_whoever_is_removed_from_the_chosen_home_reads_it_in_the_other_one(anna: Client, cast: Cast) -> None:
    _switch(anna, cast.carla.household)
    mill = Membership.objects.get(user=cast.anna.user, household=cast.carla.household)
    member_remove(member=mill, by=cast.carla)
    page = anna.get("/").content.decode()
    assert "You do not belong to that home any more. This is Lake House." in page
    assert "any more" not in anna.get("/").content.decode()


@pytest.mark.django_db(transaction=True)
async def test_a_socket_belongs_to_the_home_of_its_page(cast: Cast) -> None:
    """Whatever the session chose since: two tabs may show two homes."""
    await Membership.objects.acreate(
        user=cast.anna.user, household=cast.carla.household, role=Role.ADULT, consented_at=now()
    )
    for household in (cast.carla.household, cast.anna.household):
        socket = await browser_open(cast.anna)
        await socket.say("hello", household_id=str(household.public_id))
        assert (await socket.hear("hello_ack"))["household_name"] == household.name
        await socket.close()


@pytest.mark.django_db(transaction=True)
async def test_a_socket_for_a_home_of_others_is_refused(cast: Cast) -> None:
    for household_id in (cast.carla.household.public_id, uuid4()):
        socket = await browser_open(cast.ben)
        await socket.say("hello", household_id=str(household_id))
        assert (await socket.hear("error"))["code"] == "not_signed_in"
        assert await socket.closed() == 4401


@pytest.mark.django_db(transaction=True)
async def test_a_token_is_for_its_own_home(cast: Cast) -> None:
    from households.services import api_token_create

    _, token = await sync_to_async(api_token_create)(membership=cast.carla, name="robot")
    socket = await browser_open(None)
    await socket.say("hello", token=token, household_id=str(cast.anna.household.public_id))
    assert (await socket.hear("error"))["code"] == "not_signed_in"
    assert await socket.closed() == 4401


def test_a_button_on_a_page_from_before_a_switch_says_so_in_its_place(anna: Client, cast: Cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies.update(anna.cookies)
    url = reverse("households:token-create")
    part = strict.post(url, {"name": "x"}, headers={"HX-Request": "true"})
    whole = strict.post(url, {"name": "x"})
    assert (part.status_code, whole.status_code) == (403, 403)
    assert "<html" not in part.content.decode()
    for answer in (part, whole):
        assert "switched to another home" in answer.content.decode()


def test_whoever_sent_a_form_from_before_a_switch_is_led_back_to_its_page_and_to_no_other_site(
    anna: Client,
) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies.update(anna.cookies)
    own, foreign = f"http://testserver{reverse('devices:confirm')}", "http://elsewhere.example/"
    for page, is_offered in ((own, True), (foreign, False), ("javascript:alert(1)", False)):
        answer = strict.post(reverse("devices:confirm"), headers={"Referer": page})
        assert answer.status_code == 403
        words = answer.content.decode()
        assert (f'href="{page}">Load it again' in words) is is_offered
        assert ("Load it again" in words) is is_offered


def test_back_shows_no_page_of_a_home_as_it_was(cast: Cast, client: Client) -> None:
    """Nor, after a sign-out, what was for somebody else."""
    client.force_login(cast.anna.user, "django.contrib.auth.backends.ModelBackend")
    for path in ("/", "/people/", "/no/such/page/"):
        assert client.get(path)["Cache-Control"] == "no-store"
