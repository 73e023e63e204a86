"""Certificates after the first one."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from django_scopes import scope

from common.clock import now
from common.errors import Invalid, NotAllowed, NotFound
from devices.certificates import authority_get
from devices.keys import certificate_request, certificate_used
from devices.models import DeviceCertificate
from devices.selectors import certificate_current
from devices.services import device_unclaim
from households.audit import AuditKind, audit_list
from tests.plugin_cast import Cast, csr_make

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
    foreign = DeviceCertificate.objects.get(device=cast.cellar)
    for serial_number in (foreign.serial_number, "abc"):
        certificate_used(device=cast.kitchen, serial_number=serial_number)
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
