"""A device goes to another household."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from calls.models import Call
from common.clock import now
from common.errors import Conflict, NotAllowed, NotFound
from devices.claiming.authorization import PollProblem, authorization_poll, authorization_start
from devices.foreign import foreign_device_create
from devices.identity.certificates import fingerprint
from devices.life.transfers import (
    transfer_accept,
    transfer_cancel,
    transfer_code,
    transfer_create,
    transfer_find,
    transfer_give_up,
    transfers_coming,
)
from devices.models import AccessRule, Device, DeviceAuthorization, Transfer
from devices.services import device_unclaim
from households.models import Household, Membership
from households.record.audit import audit_list, audit_sentence
from households.roles import Permission, Role
from protocol.enrollment import Authorization, AuthorizationRequest
from protocol.identity import transfer_text
from protocol.messages import CallState
from tests.plugin_cast import Cast, csr_make
from tests.signaling.sockets import sign

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def no_scope() -> Iterator[None]:
    cache.clear()
    with scopes_disabled():
        yield


def give(cast: Cast) -> str:
    return transfer_create(membership=cast.anna, device=cast.kitchen)[1]


def accept(cast: Cast, token: str, member: Membership | None = None) -> Transfer:
    return transfer_accept(
        transfer=transfer_find(token=token),
        membership=member or cast.carla,
        name="Mill speaker",
        room=None,
        is_auto_answer=True,
    )


def come(
    cast: Cast,
    code: str | None,
    key: ec.EllipticCurvePrivateKey | None = None,
    *,
    old: ec.EllipticCurvePrivateKey | None = None,
) -> Authorization:
    """The device, with its new key, which the old one signed."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    text = transfer_text(fingerprint=fingerprint(key.public_key()), code=code or "")
    request = AuthorizationRequest(
        csr_pem=csr_make(key),
        model="Test speaker",
        serial="SN-7",
        transfer_code=code or "",
        transfer_proof=sign(old or cast.keys[cast.kitchen.pk], text),
    )
    return authorization_start(request=request, base_url="http://hub")


def sentences(member: Membership) -> list[str]:
    return [audit_sentence(entry) for entry in audit_list(member.household)]


def kitchen(cast: Cast) -> Device:
    return Device.objects.get(pk=cast.kitchen.pk)


def test_a_device_comes_to_its_new_home_with_a_new_key_and_without_anybody_typing(cast: Cast) -> None:
    transfer = accept(cast, give(cast))
    codes = come(cast, transfer_code(device=cast.kitchen))
    enrollment = authorization_poll(device_code=codes.device_code)
    assert (enrollment.household_name, enrollment.device_name) == ("Mill", "Mill speaker")
    new = Device.objects.get(public_id=enrollment.device_id)
    transfer.refresh_from_db()
    assert transfer.to_device == new != cast.kitchen
    assert new.household == cast.carla.household
    assert new.fingerprint_sha256 != cast.kitchen.fingerprint_sha256
    assert (new.claim_epoch, new.is_auto_answer) == (1, True)
    assert (new.model, new.serial) == (cast.kitchen.model, cast.kitchen.serial), (
        "whatever it says of itself now"
    )


def test_the_old_row_is_revoked_in_the_same_moment_and_its_history_stays_where_it_was(cast: Cast) -> None:
    Call.objects.create(
        household=cast.anna.household, device=cast.kitchen, state=CallState.ENDED, ended_at=now()
    )
    transfer = accept(cast, give(cast))
    assert kitchen(cast).revoked_at is not None
    come(cast, transfer_code(device=cast.kitchen))
    transfer.refresh_from_db()
    assert Call.objects.get(device=cast.kitchen).household == cast.anna.household
    assert not Call.objects.filter(device=transfer.to_device).exists()
    with scope(household=cast.carla.household):
        assert not Device.objects.filter(pk=cast.kitchen.pk).exists()


def test_both_homes_note_it(cast: Cast) -> None:
    come(cast, transfer_code(device=accept(cast, give(cast)).device))
    assert sentences(cast.anna)[:2] == [
        "Carla took over Kitchen speaker.",
        "Anna gave Kitchen speaker away.",
    ]
    assert sentences(cast.carla)[:2] == ["Carla added Mill speaker.", "Carla took over Mill speaker."]
    assert "Kitchen" not in " ".join(sentences(cast.carla))


def test_the_secret_has_128_bits_and_neither_it_nor_the_code_is_kept(cast: Cast) -> None:
    token = give(cast)
    assert len(token) == 22
    transfer = accept(cast, token)
    code = transfer_code(device=cast.kitchen)
    assert code == transfer_code(device=cast.kitchen)
    kept = " ".join(str(value) for value in Transfer.objects.filter(pk=transfer.pk).values()[0].values())
    assert token not in kept
    assert code is not None
    assert code.split(":")[1] not in kept


def test_a_code_works_once(cast: Cast) -> None:
    code = transfer_code(device=accept(cast, give(cast)).device)
    come(cast, code)
    assert transfer_code(device=cast.kitchen) is None
    again = come(cast, code)
    with pytest.raises(PollProblem) as problem:
        authorization_poll(device_code=again.device_code)
    assert problem.value.error == "authorization_pending"
    assert Device.objects.filter(household=cast.carla.household, name="Mill speaker").count() == 1


def test_the_same_device_may_ask_again_since_the_answer_may_have_been_lost(cast: Cast) -> None:
    code, key = transfer_code(device=accept(cast, give(cast)).device), ec.generate_private_key(ec.SECP256R1())
    come(cast, code, key)
    enrollment = authorization_poll(device_code=come(cast, code, key).device_code)
    assert enrollment.device_name == "Mill speaker"
    assert Device.objects.filter(name="Mill speaker").count() == 1


@pytest.mark.parametrize("code", ["", "x", "x:y", "5f1d7c0e-9a3b-4c2d-8e6f-7a8b9c0d1e2f:abc", "ü" * 50])
def test_a_forged_code_counts_for_nothing(cast: Cast, code: str) -> None:
    accept(cast, give(cast))
    with pytest.raises(PollProblem):
        authorization_poll(device_code=come(cast, code).device_code)
    forged = f"{Transfer.objects.get().public_id}:{'A' * 43}"
    with pytest.raises(PollProblem):
        authorization_poll(device_code=come(cast, forged).device_code)


def test_whoever_read_the_code_on_its_way_does_not_come_with_a_key_of_his_own(cast: Cast) -> None:
    """Where the house has no https, the code is there for everybody to read."""
    transfer = accept(cast, give(cast))
    code, stranger = transfer_code(device=cast.kitchen), ec.generate_private_key(ec.SECP256R1())
    for old in (stranger, cast.keys[cast.cellar.pk]):
        with pytest.raises(PollProblem, match="authorization_pending"):
            authorization_poll(device_code=come(cast, code, stranger, old=old).device_code)
    transfer.refresh_from_db()
    assert transfer.to_device is None
    authorization_poll(device_code=come(cast, code).device_code)


def test_a_device_that_had_just_changed_its_key_comes_with_that_one(cast: Cast) -> None:
    changed = ec.generate_private_key(ec.SECP256R1())
    pem = changed.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    Device.objects.filter(pk=cast.kitchen.pk).update(
        next_public_key_pem=pem, next_fingerprint_sha256=fingerprint(changed.public_key())
    )
    code = transfer_code(device=accept(cast, give(cast)).device)
    enrollment = authorization_poll(device_code=come(cast, code, old=changed).device_code)
    assert enrollment.device_name == "Mill speaker"


def test_the_link_of_somebody_who_left_since_opens_nothing(cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    cast.ben.refresh_from_db()
    token = transfer_create(membership=cast.ben, device=cast.kitchen)[1]
    found = transfer_find(token=token)
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.CHILD)
    for is_gone in (False, True):
        if is_gone:
            Membership.objects.filter(pk=cast.ben.pk).delete()
        with pytest.raises(Conflict, match="taken back"):
            transfer_find(token=token)
        with pytest.raises(Conflict, match="taken back"):
            transfer_accept(transfer=found, membership=cast.carla, name="x", room=None, is_auto_answer=True)
    assert kitchen(cast).revoked_at is None


def test_only_an_owner_gives_away_what_has_rules(cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    cast.ben.refresh_from_db()
    token = transfer_create(membership=cast.ben, device=cast.kitchen)[1]
    home = cast.anna.household
    for place in ({"room": cast.kitchen.room}, {"device": cast.kitchen}):
        rule = AccessRule.objects.create(household=home, right=Permission.DROP_IN.value, **place)
        with pytest.raises(NotAllowed, match="rules"):
            transfer_create(membership=cast.ben, device=cast.kitchen)
        with pytest.raises(Conflict, match="taken back"):
            transfer_find(token=token)
        rule.delete()
    AccessRule.objects.create(household=home, right=Permission.DROP_IN.value, device=cast.kitchen)
    accept(cast, give(cast))


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


def test_a_call_that_ends_with_it_says_that_it_was_given_away(cast: Cast) -> None:
    call = Call.objects.create(household=cast.anna.household, device=cast.kitchen, state=CallState.CONNECTED)
    accept(cast, give(cast))
    call.refresh_from_db()
    assert (call.state, call.reason) == (CallState.ENDED, "Kitchen speaker was given away.")


def test_a_device_that_was_taken_over_and_is_off_can_be_given_up_and_then_does_not_come(cast: Cast) -> None:
    transfer = accept(cast, give(cast))
    code = transfer_code(device=cast.kitchen)
    assert [one.pk for one in transfers_coming(membership=cast.carla)] == [transfer.pk]
    assert not transfers_coming(membership=cast.anna)
    transfer_give_up(membership=cast.carla, transfer=transfer)
    assert transfer_code(device=cast.kitchen) is None
    with pytest.raises(PollProblem):
        authorization_poll(device_code=come(cast, code).device_code)
    assert not transfers_coming(membership=cast.carla)
    assert sentences(cast.carla)[0] == "Carla removed Mill speaker."


def test_one_that_has_come_cannot_be_given_up(cast: Cast) -> None:
    transfer = accept(cast, give(cast))
    come(cast, transfer_code(device=cast.kitchen))
    with pytest.raises(Conflict, match="has come already"):
        transfer_give_up(membership=cast.carla, transfer=transfer)


def test_a_link_works_once_for_a_day_until_it_is_taken_back(cast: Cast) -> None:
    first = give(cast)
    second = give(cast)
    with pytest.raises(Conflict, match="taken back"):
        transfer_find(token=first)
    transfer_cancel(membership=cast.anna, device=cast.kitchen)
    with pytest.raises(Conflict, match="taken back"):
        transfer_find(token=second)
    with pytest.raises(Conflict, match="no open link"):
        transfer_cancel(membership=cast.anna, device=cast.kitchen)
    assert sentences(cast.anna)[0] == "Anna kept Kitchen speaker after all."
    third = give(cast)
    Transfer.objects.filter(cancelled_at=None).update(expires_at=now() - timedelta(seconds=1))
    with pytest.raises(Conflict, match="too old"):
        transfer_find(token=third)
    with pytest.raises(NotFound):
        transfer_find(token="x" * 22)
    assert kitchen(cast).revoked_at is None


def test_what_closes_between_opening_and_accepting_closes_the_door(cast: Cast) -> None:
    found = transfer_find(token=give(cast))
    transfer_cancel(membership=cast.anna, device=cast.kitchen)
    with pytest.raises(Conflict, match="taken back"):
        transfer_accept(transfer=found, membership=cast.carla, name="x", room=None, is_auto_answer=True)
    assert kitchen(cast).revoked_at is None


def test_a_device_that_is_removed_cannot_be_taken_over_any_more(cast: Cast) -> None:
    token = give(cast)
    device_unclaim(device=cast.kitchen, by=cast.anna.user)
    with pytest.raises(Conflict):
        accept(cast, token)
    assert transfer_code(device=cast.kitchen) is None


def test_a_home_cannot_take_over_its_own_device(cast: Cast) -> None:
    with pytest.raises(Conflict, match="in this home already"):
        accept(cast, give(cast), cast.anna)


@pytest.mark.parametrize("role", [Role.CHILD, Role.GUEST])
def test_only_who_manages_devices_gives_and_takes(cast: Cast, role: Role) -> None:
    token = give(cast)
    for member in (cast.ben, cast.carla):
        Membership.objects.filter(pk=member.pk).update(role=role)
        member.refresh_from_db()
    with pytest.raises(NotAllowed):
        transfer_create(membership=cast.ben, device=cast.kitchen)
    with pytest.raises(NotAllowed):
        transfer_cancel(membership=cast.ben, device=cast.kitchen)
    with pytest.raises(NotAllowed):
        accept(cast, token)


def test_a_device_of_another_maker_is_not_given_by_a_link(cast: Cast) -> None:
    foreign = foreign_device_create(membership=cast.anna, name="Door", room=None)
    with pytest.raises(Conflict, match="another maker"):
        transfer_create(membership=cast.anna, device=foreign)


@pytest.mark.django_db(transaction=True)
def test_of_ten_people_who_accept_at_once_one_wins_and_the_others_read_why(cast: Cast) -> None:
    home = Household.objects.create(name="Tower")
    dora = Membership.objects.create(user=cast.ben.user, household=home, role=Role.OWNER)
    found = transfer_find(token=give(cast))

    def race(member: Membership) -> str:
        try:
            with scopes_disabled():
                transfer_accept(
                    transfer=found, membership=member, name="Mine", room=None, is_auto_answer=True
                )
        except Conflict as refusal:
            return refusal.message
        finally:
            connection.close()
        return "won"

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(race, [cast.carla, dora] * 5))
    assert results.count("won") == 1
    assert {words for words in results if words != "won"} == {
        "Somebody else took this device over a moment ago. Each link works once."
    }


# --- pages -------------------------------------------------------------------------------------


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
    page = client.post(reverse("devices:give", args=[cast.kitchen.public_id]))
    assert page["Cache-Control"] == "no-store"
    assert NOTHING_TO_PRESS in words(page)
    match = re.search(r"/take/#t=([\w-]{22})<", page.content.decode())
    assert match
    return match[1]


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
