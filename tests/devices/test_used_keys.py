"""A key is one device's, once: somebody may have a copy of one that was used."""

from collections.abc import Iterator
from importlib import import_module

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.apps import apps
from django.core.cache import cache
from django.test import Client
from django_scopes import scope, scopes_disabled

from common.errors import Conflict, NotAllowed
from devices.claiming.authorization import authorization_poll, authorization_start
from devices.claiming.confirmation import authorization_confirm, authorization_find
from devices.identity.certificates import fingerprint
from devices.identity.keys import certificate_request, device_key_ask, device_key_change
from devices.life.transfers import transfer_accept, transfer_code, transfer_create, transfer_find
from devices.models import Device, DeviceCertificate
from devices.services import device_unclaim
from households.models import Membership
from protocol.enrollment import Authorization, AuthorizationRequest
from protocol.identity import next_key_text, transfer_text
from tests.plugin_cast import Cast, csr_make
from tests.signaling.sockets import sign

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
Key = ec.EllipticCurvePrivateKey
USED = "belongs to a home already, or did with the key that it has"


@pytest.fixture(autouse=True)
def no_scope() -> Iterator[None]:
    cache.clear()
    with scopes_disabled():
        yield


def key_make() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def ask(key: Key, **transfer: str) -> Authorization:
    request = AuthorizationRequest(csr_pem=csr_make(key), model="Speaker One", serial="SN-9", **transfer)
    return authorization_start(request=request, base_url="https://hub.example")


def claim(member: Membership, codes: Authorization) -> Device:
    found = authorization_find(membership=member, user_code=codes.user_code)
    return authorization_confirm(
        membership=member, authorization=found, name="Hall", room=None, is_auto_answer=False
    )


def next_key(cast: Cast, device: Device, key: Key) -> None:
    """As the device asks for it, in its own household."""
    device = Device.objects.get(pk=device.pk)
    if device.key_wanted_at is None:
        owner = cast.anna if device.household_id == cast.anna.household_id else cast.carla
        device_key_ask(membership=owner, device=device)
    text = next_key_text(
        device_id=str(device.public_id),
        epoch=device.claim_epoch + 1,
        fingerprint=fingerprint(key.public_key()),
    )
    proof = sign(cast.keys[device.pk], text)
    with scope(household=device.household):
        certificate_request(device=device, csr_pem=csr_make(key), proof=proof)


def test_the_key_of_a_device_is_not_claimed_while_it_has_it_nor_once_it_was_removed(
    cast: Cast, client: Client
) -> None:
    key = cast.keys[cast.kitchen.pk]
    with pytest.raises(Conflict, match=USED):
        ask(key)
    device_unclaim(device=cast.kitchen)
    with pytest.raises(Conflict, match=USED):
        ask(key)
    body = {"csr_pem": csr_make(key), "model": "m", "serial": "s"}
    answer = client.post("/api/v1/devices/authorizations", body, content_type="application/json")
    assert answer.status_code == 409, "so that the agent makes another one"


def test_a_request_from_before_does_not_bring_it_back(cast: Cast) -> None:
    key = key_make()
    first, second = ask(key), ask(key)
    device_unclaim(device=claim(cast.anna, first))
    with pytest.raises(Conflict, match=USED):
        claim(cast.carla, second)


def test_a_key_that_a_device_will_have_or_had_before_is_not_claimed(cast: Cast) -> None:
    old, new = cast.keys[cast.kitchen.pk], key_make()
    waiting = ask(new)
    next_key(cast, cast.kitchen, new)
    with pytest.raises(Conflict, match=USED):
        ask(new)
    with pytest.raises(Conflict, match=USED):
        claim(cast.carla, waiting)
    device_key_change(device=Device.objects.get(pk=cast.kitchen.pk))
    for key in (old, new):
        with pytest.raises(Conflict, match=USED):
            ask(key)


def test_a_key_whose_certificate_is_older_than_its_fingerprint_is_not_claimed_either(cast: Cast) -> None:
    """It got one with the update."""
    certificates = DeviceCertificate.objects.filter(device=cast.kitchen)
    certificates.update(fingerprint_sha256="")
    import_module("devices.migrations.0012_fingerprints_of_first_certificates").fill(apps, None)
    assert certificates.get().fingerprint_sha256 == cast.kitchen.fingerprint_sha256
    next_key(cast, cast.kitchen, key_make())
    device_key_change(device=Device.objects.get(pk=cast.kitchen.pk))
    with pytest.raises(Conflict, match=USED):
        ask(cast.keys[cast.kitchen.pk])


def test_a_next_key_that_is_known_by_its_fingerprint_alone_is_not_claimed(cast: Cast) -> None:
    """Of a time when certificates did not say whose key they are for."""
    key = key_make()
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    Device.objects.filter(pk=cast.kitchen.pk).update(
        next_public_key_pem=pem, next_fingerprint_sha256=fingerprint(key.public_key())
    )
    with pytest.raises(Conflict, match=USED):
        ask(key)


def test_the_next_key_of_another_home_s_device_is_taken_too(cast: Cast) -> None:
    key = key_make()
    next_key(cast, cast.cellar, key)
    next_key(cast, cast.cellar, key_make())  # so only a certificate, of another home, tells of the first one
    with pytest.raises(NotAllowed, match="used before"):
        next_key(cast, cast.kitchen, key)


def test_a_device_that_was_given_away_comes_with_a_new_key_and_with_no_other(cast: Cast) -> None:
    _, token = transfer_create(membership=cast.anna, device=cast.kitchen)
    transfer = transfer_accept(
        transfer=transfer_find(token=token),
        membership=cast.carla,
        name="Mill",
        room=None,
        is_auto_answer=True,
    )
    old, code = cast.keys[cast.kitchen.pk], transfer_code(device=cast.kitchen)
    assert code

    def come(key: Key) -> Authorization:
        text = transfer_text(fingerprint=fingerprint(key.public_key()), code=code)
        return ask(key, transfer_code=code, transfer_proof=sign(old, text))

    for key in (old, cast.keys[cast.cellar.pk]):
        with pytest.raises(Conflict, match=USED):
            come(key)
    transfer.refresh_from_db()
    assert transfer.to_device is None
    enrollment = authorization_poll(device_code=come(key_make()).device_code)
    assert enrollment.device_name == "Mill"
