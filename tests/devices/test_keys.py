"""Certificates after the first one."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from django_scopes import scope, scopes_disabled

from common.clock import now
from common.errors import Conflict, Invalid, NotAllowed, NotFound, TooMany
from devices.foreign import foreign_device_create
from devices.identity.certificates import authority_get, fingerprint
from devices.identity.keys import certificate_request, certificate_used, device_key_ask, device_key_change
from devices.models import Device, DeviceCertificate
from devices.selectors import certificate_current, key_changed_at
from devices.services import device_unclaim
from households.record.audit import AuditKind, audit_list
from protocol.certificates import Certificate
from protocol.identity import next_key_text
from tests.plugin_cast import Cast, csr_make
from tests.signaling.sockets import sign

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def of_anna(cast: Cast) -> Iterator[None]:
    with scope(household=cast.anna.household):
        yield


def ask(cast: Cast, key: ec.EllipticCurvePrivateKey | None = None) -> str:
    """The certificate, PEM."""
    csr_pem = csr_make(key or cast.keys[cast.kitchen.pk])
    return certificate_request(device=cast.kitchen, csr_pem=csr_pem).certificate_pem


def certificates_age(cast: Cast, **ago: int) -> None:
    """Time passes for those that the device has."""
    for row in DeviceCertificate.objects.filter(device=cast.kitchen):
        row.not_before -= timedelta(**ago)
        row.not_after -= timedelta(**ago)
        row.save()


def kinds(cast: Cast) -> list[str]:
    return [entry.kind for entry in audit_list(cast.anna.household)]


def test_before_two_thirds_of_its_life_the_device_gets_the_same_again(cast: Cast) -> None:
    first = certificate_current(cast.kitchen)
    certificates_age(cast, days=240)
    assert first is not None
    assert ask(cast) == ask(cast) == first.certificate_pem
    assert DeviceCertificate.objects.filter(device=cast.kitchen).count() == 1
    assert AuditKind.RENEWED not in kinds(cast)


@pytest.mark.parametrize("days", [244, 366, 3000], ids=["two thirds", "expired", "years later"])
def test_from_then_on_it_gets_a_new_one_for_the_same_key_and_that_is_noted_once(
    cast: Cast, days: int
) -> None:
    certificates_age(cast, days=days)
    pem = ask(cast)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    assert certificate.public_key() == cast.keys[cast.kitchen.pk].public_key()
    assert certificate.not_valid_after_utc > now() + timedelta(days=364)
    assert certificate.subject.rfc4514_string() == f"CN={cast.kitchen.public_id}"
    certificate.verify_directly_issued_by(authority_get().certificate)
    assert ask(cast) == pem, "the answer may have been lost"
    assert kinds(cast).count(AuditKind.RENEWED) == 1


def test_the_answer_names_the_authority_and_the_epoch(cast: Cast) -> None:
    answer = certificate_request(device=cast.kitchen, csr_pem=csr_make(cast.keys[cast.kitchen.pk]))
    assert answer.ca_pem == authority_get().certificate_pem
    assert answer.epoch == cast.kitchen.claim_epoch


def test_the_old_one_is_superseded_only_when_the_new_one_is_used(cast: Cast) -> None:
    certificates_age(cast, days=300)
    ask(cast)
    old, new = DeviceCertificate.objects.filter(device=cast.kitchen).order_by("pk")
    certificate_used(device=cast.kitchen, serial_number=old.serial_number)
    assert not DeviceCertificate.objects.exclude(superseded_at=None).exists()
    certificate_used(device=cast.kitchen, serial_number=new.serial_number)
    assert list(DeviceCertificate.objects.exclude(superseded_at=None)) == [old]
    assert not DeviceCertificate.objects.exclude(revoked_at=None).exists()


def test_a_certificate_of_another_device_supersedes_nothing(cast: Cast) -> None:
    with scopes_disabled():
        foreign = DeviceCertificate.objects.get(device=cast.cellar)
    for serial_number in (foreign.serial_number, "abc"):
        certificate_used(device=cast.kitchen, serial_number=serial_number)
    with scopes_disabled():
        assert not DeviceCertificate.objects.exclude(superseded_at=None).exists()


def test_another_key_than_the_claimed_one_gets_nothing(cast: Cast) -> None:
    for key in (None, cast.keys[cast.cellar.pk]):
        with pytest.raises(NotAllowed, match="another key"):
            certificate_request(device=cast.kitchen, csr_pem=csr_make(key))
    assert DeviceCertificate.objects.filter(device=cast.kitchen).count() == 1


@pytest.mark.parametrize("csr_pem", ["", "x", csr_make(ec.generate_private_key(ec.SECP384R1()))])
def test_what_is_no_request_for_a_p_256_key_is_refused(cast: Cast, csr_pem: str) -> None:
    with pytest.raises(Invalid):
        certificate_request(device=cast.kitchen, csr_pem=csr_pem)


def test_a_removed_device_gets_nothing(cast: Cast) -> None:
    device_unclaim(device=cast.kitchen)
    with pytest.raises(NotFound):
        ask(cast)


# --- another key -------------------------------------------------------------------------------


def next_certificate(
    cast: Cast, key: ec.EllipticCurvePrivateKey, *, by: ec.EllipticCurvePrivateKey | None = None
) -> Certificate:
    """`by`: the key that the device has, which signs the next one."""
    device = Device.objects.get(pk=cast.kitchen.pk)
    text = next_key_text(
        device_id=str(device.public_id),
        epoch=device.claim_epoch + 1,
        fingerprint=fingerprint(key.public_key()),
    )
    proof = sign(by or cast.keys[device.pk], text)
    return certificate_request(device=cast.kitchen, csr_pem=csr_make(key), proof=proof)


def key_make() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_changed(cast: Cast) -> ec.EllipticCurvePrivateKey:
    key = key_make()
    device_key_ask(membership=cast.anna, device=cast.kitchen)
    next_certificate(cast, key)
    cast.kitchen.refresh_from_db()
    device_key_change(device=cast.kitchen)
    cast.kitchen.refresh_from_db()
    return key


def test_a_next_key_that_the_device_did_not_sign_is_refused(cast: Cast) -> None:
    """Somebody between a device and its hub, where the house has no https, would put his own key after it."""
    device_key_ask(membership=cast.anna, device=cast.kitchen)
    key = key_make()
    with pytest.raises(NotAllowed, match="sign"):
        certificate_request(device=cast.kitchen, csr_pem=csr_make(key))
    for stranger in (key, cast.keys[cast.cellar.pk]):
        with pytest.raises(NotAllowed, match="sign"):
            next_certificate(cast, key, by=stranger)
    assert Device.objects.get(pk=cast.kitchen.pk).next_fingerprint_sha256 == ""


def test_a_wanted_key_gets_a_certificate_and_the_next_epoch_and_the_old_one_still_counts(cast: Cast) -> None:
    key, old = key_make(), cast.kitchen.fingerprint_sha256
    device_key_ask(membership=cast.anna, device=cast.kitchen)
    answer = next_certificate(cast, key)
    assert x509.load_pem_x509_certificate(answer.certificate_pem.encode()).public_key() == key.public_key()
    assert answer.epoch == 2
    assert next_certificate(cast, key) == answer, "the answer may have been lost"
    cast.kitchen.refresh_from_db()
    assert (cast.kitchen.fingerprint_sha256, cast.kitchen.claim_epoch) == (old, 1)
    assert ask(cast), "and it is still certified"


def test_a_device_makes_no_keys_without_end_and_is_none_the_worse_for_it(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devices.identity.keys.NEXT_KEYS_MOST", 3)
    device_key_ask(membership=cast.anna, device=cast.kitchen)
    for _ in range(2):
        next_certificate(cast, key_make())
    last = key_make()
    answer = next_certificate(cast, last)
    for _ in range(3):
        with pytest.raises(TooMany, match="tomorrow"):
            next_certificate(cast, key_make())
    assert DeviceCertificate.objects.filter(device=cast.kitchen).count() == 4
    assert next_certificate(cast, last) == answer
    assert ask(cast), "and the key that it has is still certified"
    DeviceCertificate.objects.update(created_at=now() - timedelta(hours=25))
    assert next_certificate(cast, key_make()).epoch == 2


def test_a_key_that_nobody_asked_for_is_refused(cast: Cast) -> None:
    key_changed(cast)
    with pytest.raises(NotAllowed, match="another key"):
        next_certificate(cast, key_make())


def test_asking_twice_is_asking_once(cast: Cast) -> None:
    for _ in range(2):
        device_key_ask(membership=cast.anna, device=cast.kitchen)
    assert kinds(cast).count(AuditKind.KEY_ASKED) == 1


def test_a_child_may_not_ask_and_a_device_of_another_maker_has_no_key(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        device_key_ask(membership=cast.ben, device=cast.kitchen)
    foreign = foreign_device_create(membership=cast.anna, name="Door", room=None)
    with pytest.raises(Conflict, match="token"):
        device_key_ask(membership=cast.anna, device=foreign)
    assert AuditKind.KEY_ASKED not in kinds(cast)


def test_once_it_is_used_the_new_key_is_the_key_and_nothing_of_the_old_one_counts(cast: Cast) -> None:
    old = cast.kitchen.fingerprint_sha256
    key = key_changed(cast)
    device = cast.kitchen
    assert device.fingerprint_sha256 == fingerprint(key.public_key()) != old
    assert (device.claim_epoch, device.key_wanted_at, device.next_fingerprint_sha256) == (2, None, "")
    assert not DeviceCertificate.objects.filter(device=device, fingerprint_sha256=old, revoked_at=None)
    current = certificate_current(device)
    assert current is not None
    assert current.fingerprint_sha256 == device.fingerprint_sha256
    with pytest.raises(NotAllowed):
        ask(cast)
    assert kinds(cast)[:2] == [AuditKind.KEY_CHANGED, AuditKind.KEY_ASKED]
    at = key_changed_at(device)
    assert at is not None
    assert now() - at < timedelta(minutes=1)


def test_the_old_key_never_comes_back(cast: Cast) -> None:
    old = cast.keys[cast.kitchen.pk]
    new = key_changed(cast)
    device_key_ask(membership=cast.anna, device=cast.kitchen)
    for used in (old, cast.keys[cast.cellar.pk]):
        with pytest.raises(NotAllowed, match="before"):
            next_certificate(cast, used, by=new)


def test_of_two_next_keys_the_last_one_counts(cast: Cast) -> None:
    device_key_ask(membership=cast.anna, device=cast.kitchen)
    first, second = key_make(), key_make()
    next_certificate(cast, first)
    stale = Device.objects.get(pk=cast.kitchen.pk)
    next_certificate(cast, second)
    with pytest.raises(Conflict):
        device_key_change(device=stale)
    device_key_change(device=Device.objects.get(pk=cast.kitchen.pk))
    with pytest.raises(Conflict):
        device_key_change(device=Device.objects.get(pk=cast.kitchen.pk))
    cast.kitchen.refresh_from_db()
    assert cast.kitchen.fingerprint_sha256 == fingerprint(second.public_key())
    alive = DeviceCertificate.objects.filter(device=cast.kitchen, revoked_at=None)
    assert [row.fingerprint_sha256 for row in alive] == [fingerprint(second.public_key())]


def test_the_key_that_was_claimed_was_not_changed(cast: Cast) -> None:
    assert key_changed_at(cast.kitchen) is None
