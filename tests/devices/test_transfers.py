"""A device goes to another household."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.cache import cache
from django_scopes import scope, scopes_disabled

from calls.models import Call
from common.clock import now
from common.errors import Conflict
from common.words import moment_words
from devices.claiming.authorization import PollProblem, authorization_poll
from devices.identity.certificates import fingerprint
from devices.life.transfers import transfer_code, transfer_give_up, transfers_coming
from devices.models import Device, Transfer
from protocol.messages.calls import CallState
from tests.devices.transfers import accept, come, give, kitchen, sentences
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def no_scope() -> Iterator[None]:
    cache.clear()
    with scopes_disabled():
        yield


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
    until = moment_words(Transfer.objects.get().expires_at, "UTC")
    assert sentences(cast.anna)[:2] == [
        "Kitchen speaker went to another home, Mill. Carla took it over there.",
        f"Anna made a link to give Kitchen speaker to another home; it is good until {until}.",
    ]
    assert sentences(cast.carla)[:2] == [
        "Carla added Mill speaker; it came from Lake House; it answers by itself.",
        "Carla took over Mill speaker from another home, Lake House.",
    ]
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
    assert (
        sentences(cast.carla)[0]
        == "Carla gave up waiting for Mill speaker, which was to come from Lake House."
    )


def test_one_that_has_come_cannot_be_given_up(cast: Cast) -> None:
    transfer = accept(cast, give(cast))
    come(cast, transfer_code(device=cast.kitchen))
    with pytest.raises(Conflict, match="has come already"):
        transfer_give_up(membership=cast.carla, transfer=transfer)
