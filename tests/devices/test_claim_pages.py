"""Claiming as people meet it: whose home, two people at once, wrong codes, and a known device with a new key."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from calls.models import Call
from common.clock import now
from common.redis import redis_get
from devices.claiming.authorization import PollProblem, authorization_poll, authorization_start
from devices.claiming.tries import LINK_TRIES, TYPED_TRIES, WINDOW_S, try_return, try_take
from devices.models import AuthorizationState, Device, DeviceAuthorization
from households.models import Household, Membership, User
from households.record.audit import AuditKind, audit_list, audit_sentence
from protocol.enrollment import Authorization, AuthorizationRequest
from protocol.messages.calls import CallState
from tests.plugin_cast import PASSWORD, Cast, csr_make

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

WRONG = "BCDFG-HJKLM"


@pytest.fixture(autouse=True)
def fresh_limits() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def anna(client: Client, cast: Cast) -> Client:
    client.force_login(cast.anna.user)
    return client


@pytest.fixture
def dora(cast: Cast) -> Membership:
    """Another adult of Anna's household."""
    user = User.objects.create_user("dora@example.org", PASSWORD, name="Dora")
    return Membership.objects.create(user=user, household=cast.anna.household, role="adult")


def ask(model: str = "Attic box", serial: str = "SN-9") -> Authorization:
    request = AuthorizationRequest(csr_pem=csr_make(), model=model, serial=serial)
    return authorization_start(request=request, base_url="https://hub")


def ask_as_kitchen(cast: Cast) -> Authorization:
    return ask(cast.kitchen.model, cast.kitchen.serial)


def secret_of(codes: Authorization) -> str:
    return codes.verification_uri_complete.split("#s=")[1].split("&")[0]


def look_up(client: Client, codes: Authorization, **fields: str) -> "Answer":
    return client.post(reverse("devices:lookup"), {"secret": secret_of(codes), **fields})


def add(client: Client, codes: Authorization, name: str = "Attic", **fields: str) -> "Answer":
    return client.post(
        reverse("devices:confirm"), {"secret": secret_of(codes), "name": name, "room_name": "", **fields}
    )


def words(response: "Answer") -> str:
    """Of the page, without its marks of HTML in quotes."""
    return " ".join(response.content.decode().replace("&#x27;", "'").split())


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def kinds(household: Household) -> list[str]:
    with scope(household=household):
        return [entry.kind for entry in audit_list(household)]


# --- what the page shows ---------------------------------------------------------------------


def test_the_page_says_how_long_ago_the_device_asked(anna: Client) -> None:
    codes = ask()
    DeviceAuthorization.objects.update(created_at=now() - timedelta(minutes=2, seconds=5))
    assert "2\xa0minutes ago" in look_up(anna, codes).content.decode()


def test_whoever_reads_other_words_on_the_device_says_so_and_its_code_opens_nothing_more(
    anna: Client, cast: Cast
) -> None:
    codes = ask()
    assert reverse("devices:refuse") in words(look_up(anna, codes))
    page = anna.post(reverse("devices:refuse"), {"secret": secret_of(codes)}, follow=True)
    assert "The device was not added" in words(page)
    assert "The device was not added" not in words(anna.get(reverse("devices:add")))
    assert "used already" in words(add(anna, codes))
    with pytest.raises(PollProblem) as told:
        authorization_poll(device_code=codes.device_code)
    assert told.value.error == "access_denied"
    assert AuditKind.CLAIM_REFUSED in kinds(cast.anna.household)


def test_the_question_stands_there_again_after_a_reload_until_it_is_answered(
    anna: Client, cast: Cast
) -> None:
    codes, url = ask(), reverse("devices:confirm")
    assert "Add a device" in words(anna.get(url))
    asked = words(look_up(anna, codes))
    assert "Is this your device?" in asked
    for _ in range(2):
        again = words(anna.get(url))
        assert "Is this your device?" in again
        assert "SN-9" in again
    assert "Add a device" in words(signed_in(cast.anna.user).get(url)), "in another browser"
    add(anna, codes)
    assert "Is this your device?" not in words(anna.get(url))


def test_the_question_comes_again_for_the_home_that_was_chosen(anna: Client, cast: Cast) -> None:
    mill = cast.carla.household
    Membership.objects.create(user=cast.anna.user, household=mill, role="adult")
    look_up(anna, ask(), household=str(mill.public_id))
    assert "Add to Mill" in words(anna.get(reverse("devices:confirm")))


def test_a_reload_says_why_there_is_no_question_any_more_and_the_next_one_nothing(
    anna: Client, dora: Membership
) -> None:
    url = reverse("devices:confirm")
    late = ask()
    look_up(anna, late)
    DeviceAuthorization.objects.update(expires_at=now())
    assert "This code has expired" in words(anna.get(url))
    assert "This code has expired" not in words(anna.get(url))
    codes = ask()
    look_up(anna, codes)
    add(signed_in(dora.user), codes)
    assert "Dora added this device a moment ago, as Attic." in words(anna.get(url))
    look_up(anna, refused := ask())
    anna.post(reverse("devices:refuse"), {"secret": secret_of(refused)})
    assert "Is this your device?" not in words(anna.get(url))


def test_where_two_homes_are_called_the_same_the_choice_says_whose_they_are(anna: Client, cast: Cast) -> None:
    mill = cast.carla.household
    Membership.objects.create(user=cast.anna.user, household=mill, role="adult")
    Household.objects.filter(pk=mill.pk).update(name="Lake House")
    page = words(look_up(anna, ask()))
    assert "Add to Lake House (Anna)" in page
    assert page.count("Lake House (Carla)") == 3  # the choice, and twice in the list of homes


def test_who_has_one_home_is_not_asked_which(anna: Client) -> None:
    assert 'type="radio" name="household"' not in words(look_up(anna, ask()))


def test_who_manages_two_homes_chooses_one_and_the_current_one_is_proposed(anna: Client, cast: Cast) -> None:
    mill = cast.carla.household
    Membership.objects.create(user=cast.anna.user, household=mill, role="adult")
    codes = ask()
    page = words(look_up(anna, codes))
    assert f'value="{cast.anna.household.public_id}" checked' in page
    assert "Add to Lake House" in page
    assert "Cellar" not in page
    assert "Switch to Mill" in page  # beside the choice, as on every page
    chosen = words(look_up(anna, codes, household=str(mill.public_id)))
    assert f'value="{mill.public_id}" checked' in chosen
    assert "Add to Mill" in chosen
    assert "Cellar" in chosen
    answer = add(anna, codes, household=str(mill.public_id))
    with scope(household=mill):
        assert Device.objects.get(name="Attic").household == mill
    assert anna.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize("role", ["child", "guest", None])
def test_a_home_where_one_may_not_add_devices_is_as_good_as_none(
    anna: Client, cast: Cast, role: str | None
) -> None:
    mill = cast.carla.household
    if role:
        Membership.objects.create(user=cast.anna.user, household=mill, role=role)
    codes = ask()
    foreign = add(anna, codes, household=str(mill.public_id))
    absent = add(anna, codes, household="00000000-0000-4000-8000-000000000000")
    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert "There is no such home." in words(foreign)
    with scopes_disabled():
        assert not Device.objects.filter(name="Attic").exists()


def test_adding_a_device_is_noted(anna: Client, cast: Cast) -> None:
    add(anna, ask())
    with scope(household=cast.anna.household):
        entry = audit_list(cast.anna.household).first()
    assert entry
    assert (entry.kind, entry.details) == (AuditKind.CLAIMED, {"actor": "Anna", "device": "Attic"})


# --- two people at once ----------------------------------------------------------------------


def test_who_comes_second_reads_who_was_faster_and_finds_the_device(
    anna: Client, cast: Cast, dora: Membership
) -> None:
    codes = ask()
    add(signed_in(dora.user), codes, "Hall speaker")
    with scope(household=cast.anna.household):
        link = reverse("devices:detail", args=[Device.objects.get(name="Hall speaker").public_id])
    for answer in (look_up(anna, codes), add(anna, codes)):
        assert answer.status_code == 409
        assert "Dora added this device a moment ago, as Hall speaker." in words(answer)
        assert link in words(answer)
        assert "Code on the device" in words(answer)
        assert 'placeholder="BCDFG-HJKLM"' in words(answer)


def test_another_home_reads_that_it_is_gone_and_nothing_else(anna: Client, cast: Cast) -> None:
    codes = ask()
    add(anna, codes, "Hall speaker")
    carla = signed_in(cast.carla.user)
    for answer in (look_up(carla, codes), add(carla, codes)):
        assert answer.status_code == 409
        page = words(answer)
        assert "This device belongs to another home." in page
        for secret in ("Anna", "Hall speaker", "Lake House", str(cast.anna.household.public_id)):
            assert secret not in page


def test_who_waits_long_reads_that_it_was_added_already(anna: Client, cast: Cast) -> None:
    codes = ask()
    add(anna, codes)
    with scope(household=cast.anna.household):
        Device.objects.filter(name="Attic").update(claimed_at=now() - timedelta(minutes=10))
    assert "You added this device already, as Attic." in words(look_up(anna, codes))


@pytest.mark.django_db(transaction=True)
def test_of_several_people_at_once_over_pages_one_wins_and_each_other_reads_why(
    cast: Cast, dora: Membership
) -> None:
    codes = ask()
    clients = [signed_in(member.user) for member in (cast.anna, dora, cast.carla) * 3]

    def press(client: Client) -> tuple[int, str]:
        try:
            answer = add(client, codes)
            return answer.status_code, words(answer)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(press, clients))
    assert sorted(status for status, _ in answers) == [302] + [409] * 8
    said = ("added this device a moment ago", "belongs to another home")
    assert all(any(sentence in page for sentence in said) for status, page in answers if status == 409)
    with scopes_disabled():
        assert Device.objects.filter(name="Attic").count() == 1


# --- guessing --------------------------------------------------------------------------------


def guess(client: Client, times: int, **codes: str) -> list[int]:
    return [client.post(reverse("devices:lookup"), codes).status_code for _ in range(times)]


def test_wrong_typed_codes_do_not_close_the_link(anna: Client) -> None:
    codes = ask()
    assert guess(anna, TYPED_TRIES + 1, user_code=WRONG) == [404] * TYPED_TRIES + [429]
    assert guess(anna, 1, user_code=codes.user_code) == [429]
    assert look_up(anna, codes).status_code == 200


def test_wrong_links_have_a_limit_of_their_own(anna: Client) -> None:
    assert guess(anna, LINK_TRIES + 1, secret="x" * 22)[-2:] == [404, 429]
    assert guess(anna, 1, user_code=ask().user_code) == [200]


def test_right_codes_are_no_tries(anna: Client) -> None:
    codes = ask()
    assert guess(anna, TYPED_TRIES * 2, user_code=codes.user_code) == [200] * TYPED_TRIES * 2
    assert guess(anna, TYPED_TRIES + 1, user_code=WRONG)[-1] == 429


def test_forged_addresses_bring_no_more_tries(anna: Client) -> None:
    for number in range(TYPED_TRIES + 3):
        address = f"203.0.113.{number}"
        forged = dict.fromkeys(("X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Client-Ip"), address)
        answer = anna.post(reverse("devices:lookup"), {"user_code": WRONG}, headers=forged)
        assert answer.status_code == (404 if number < TYPED_TRIES else 429)


def test_another_session_of_the_same_person_brings_no_more_tries(anna: Client, cast: Cast) -> None:
    guess(anna, TYPED_TRIES, user_code=WRONG)
    assert guess(signed_in(cast.anna.user), 1, user_code=WRONG) == [429]


@pytest.mark.django_db(transaction=True)
def test_many_wrong_codes_at_once_are_no_more_than_the_limit(cast: Cast) -> None:
    clients = [signed_in(cast.anna.user) for _ in range(16)]

    def press(client: Client) -> int:
        try:
            return guess(client, 1, user_code=WRONG)[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(press, clients))
    assert answers.count(404) <= TYPED_TRIES
    assert set(answers) == {404, 429}


def test_what_is_being_looked_up_counts_before_its_answer_is_known(anna: Client, cast: Cast) -> None:
    codes = ask()
    taken = [try_take(cast.anna, is_typed=True) for _ in range(TYPED_TRIES)]
    assert guess(anna, 1, user_code=codes.user_code) == [429]
    try_return(taken[0])
    assert guess(anna, 1, user_code=codes.user_code) == [200]


def test_from_the_third_wrong_code_on_the_page_says_what_is_left_and_then_how_long_to_wait(
    anna: Client, cast: Cast
) -> None:
    def press() -> "Answer":
        return anna.post(reverse("devices:lookup"), {"user_code": WRONG})

    answers = [press() for _ in range(TYPED_TRIES + 1)]
    told = ["tries left", "one try left", "That was the last try for now.", "Too many wrong codes."]
    said = [[words for words in told if words in answer.content.decode()] for answer in answers]
    assert said == [[], [], *([words] for words in told)]
    assert [b"<try-again" in answer.content for answer in answers] == [False] * 4 + [True] * 2
    assert 0 < int(answers[-1]["Retry-After"]) <= WINDOW_S


def a_while_passes(cast: Cast, *, seconds: int) -> None:
    for key in (f"tries:claim:{cast.anna.user.pk}", "tries:claim:all"):
        for one in redis_get().zrange(key, 0, -1):
            redis_get().zincrby(key, -1000 * seconds, str(one))


def test_in_no_quarter_of_an_hour_there_are_more_tries_wherever_it_begins(anna: Client, cast: Cast) -> None:
    assert guess(anna, 1, user_code=WRONG) == [404]
    a_while_passes(cast, seconds=WINDOW_S - 1)
    assert guess(anna, TYPED_TRIES - 1, user_code=WRONG) == [404] * (TYPED_TRIES - 1)
    a_while_passes(cast, seconds=2)
    assert guess(anna, TYPED_TRIES, user_code=WRONG) == [404] + [429] * (TYPED_TRIES - 1)


def test_all_people_together_have_a_limit_too(anna: Client, cast: Cast, settings: LazySettings) -> None:
    settings.CLAIM_TRIES_PER_QUARTER_HOUR = 3
    assert guess(anna, 2, user_code=WRONG) == [404, 404]
    carla = signed_in(cast.carla.user)
    assert guess(carla, 2, user_code=WRONG) == [404, 429]


def test_spent_tries_are_noted_once(anna: Client, cast: Cast) -> None:
    guess(anna, TYPED_TRIES - 1, user_code=WRONG)
    assert AuditKind.CLAIM_GUESSED not in kinds(cast.anna.household)
    guess(anna, 4, user_code=WRONG)
    assert kinds(cast.anna.household).count(AuditKind.CLAIM_GUESSED) == 1
    assert AuditKind.CLAIM_GUESSED not in kinds(cast.carla.household)


# --- a claimed device with a new key ---------------------------------------------------------


def test_a_known_device_with_a_new_key_is_not_added_before_it_is_let_go(anna: Client, cast: Cast) -> None:
    codes = ask_as_kitchen(cast)
    page = words(look_up(anna, codes))
    assert "This seems to be Kitchen speaker, with a new key." in page
    assert "Let Kitchen speaker go and add it again" in page
    assert 'value="Kitchen speaker"' in page
    assert 'value="Kitchen" checked' in page
    for lets_go in ("", str(cast.cellar.public_id), "nonsense"):
        refused = add(anna, codes, "Kitchen speaker", lets_go=lets_go)
        assert refused.status_code in (400, 409)
        assert "with a new key" in words(refused)
    with scope(household=cast.anna.household):
        cast.kitchen.refresh_from_db()
    assert cast.kitchen.revoked_at is None
    assert DeviceAuthorization.objects.latest("pk").state == AuthorizationState.PENDING


def test_letting_it_go_removes_the_old_row_and_keeps_its_history(anna: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        call = Call.objects.create(
            household=cast.anna.household, device=cast.kitchen, state=CallState.ENDED, ended_at=now()
        )
    codes = ask_as_kitchen(cast)
    answer = add(anna, codes, "Galley", room_name="Kitchen", lets_go=str(cast.kitchen.public_id))
    assert answer.status_code == 302
    with scope(household=cast.anna.household):
        assert [device.name for device in Device.objects.filter(revoked_at=None)] == ["Galley"]
    assert "Kitchen speaker" in words(anna.get(reverse("calls:detail", args=[call.public_id])))
    assert kinds(cast.anna.household)[:2] == [AuditKind.CLAIMED, AuditKind.UNCLAIMED]
    with scope(household=cast.anna.household):
        added, removed = (audit_sentence(entry) for entry in audit_list(cast.anna.household)[:2])
    assert removed == "Anna removed Kitchen speaker: it was reset, and added again as Galley."
    assert added.startswith("Anna added Galley in Kitchen")


def test_a_known_device_of_another_home_is_not_added_and_nothing_is_told(client: Client, cast: Cast) -> None:
    client.force_login(cast.carla.user)
    codes = ask_as_kitchen(cast)
    for answer in (look_up(client, codes), add(client, codes, lets_go=str(cast.kitchen.public_id))):
        assert answer.status_code == 409
        page = words(answer)
        assert "This device belongs to another home. Its owner has to remove it there first." in page
        assert "Kitchen speaker" not in page
    with scope(household=cast.anna.household):
        cast.kitchen.refresh_from_db()
    assert cast.kitchen.revoked_at is None


def test_asking_with_somebodys_serial_changes_nothing_there(anna: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        before = Device.objects.filter(pk=cast.kitchen.pk).values().get()
    ask_as_kitchen(cast)
    with scope(household=cast.anna.household):
        assert Device.objects.filter(pk=cast.kitchen.pk).values().get() == before
    assert kinds(cast.anna.household) == [AuditKind.CLAIMED]


def test_a_removed_device_comes_back_with_a_new_key_anywhere(client: Client, cast: Cast) -> None:
    signed_in(cast.anna.user).post(reverse("devices:remove", args=[cast.kitchen.public_id]))
    client.force_login(cast.carla.user)
    codes = ask_as_kitchen(cast)
    assert "with a new key" not in words(look_up(client, codes))
    assert add(client, codes).status_code == 302


def test_devices_without_a_serial_are_not_taken_for_each_other(anna: Client, cast: Cast) -> None:
    with scope(household=cast.anna.household):
        Device.objects.filter(pk=cast.kitchen.pk).update(serial=" ")
    codes = ask(cast.kitchen.model, " ")
    assert "with a new key" not in words(look_up(anna, codes))
    assert add(anna, codes).status_code == 302


def test_adding_a_device_leaves_the_forms_of_other_tabs_as_they_are(cast: Cast) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(cast.anna.user)
    browser.get("/devices/add/")
    token = {"X-CSRFToken": browser.cookies["csrftoken"].value}  # as the page of another tab sends it
    for name in ("Attic", "Barn"):
        fields = {"secret": secret_of(ask(serial=name)), "name": name, "room_name": ""}
        assert browser.post(reverse("devices:confirm"), fields, headers=token).status_code == 302
