"""Claiming: RFC 8628 with a certificate at its end."""

import base64
import random
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django_scopes import scopes_disabled
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.safety.signing import Bent, authority, edwards, huge, names, swapped
from common.clock import now
from common.errors import Conflict, DomainError, Invalid, NotAllowed, NotFound, TooMany
from devices.claiming.authorization import (
    PollProblem,
    authorization_poll,
    authorization_start,
    authorizations_sweep,
)
from devices.claiming.confirmation import (
    authorization_confirm,
    authorization_deny,
    authorization_find,
    user_code_normalize,
)
from devices.claiming.known import device_known
from devices.identity.certificates import authority_get, csr_check, fingerprint
from devices.models import AccessRule, Device, DeviceAuthorization, Room
from devices.services import device_unclaim
from households.models import Membership
from households.roles import Permission, Role
from protocol.enrollment import Authorization, AuthorizationRequest
from tests.plugin_cast import Cast, csr_make

BENT = Bent(random.Random(1))
pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def no_scope() -> Iterator[None]:
    cache.clear()
    with scopes_disabled():
        yield


def ask(key: ec.EllipticCurvePrivateKey | None = None) -> Authorization:
    request = AuthorizationRequest(csr_pem=csr_make(key), model="Speaker One", serial="SN-9")
    return authorization_start(request=request, base_url="https://hub.example")


def secret_of(codes: Authorization) -> str:
    return codes.verification_uri_complete.split("#s=")[1].split("&")[0]


def claim(member: Membership, codes: Authorization) -> Device:
    found = authorization_find(membership=member, secret=secret_of(codes))
    return authorization_confirm(
        membership=member, authorization=found, name="Hall", room=None, is_auto_answer=False
    )


def test_the_link_carries_a_128_bit_secret_and_the_key_in_its_fragment(cast: Cast) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    link = ask(key).verification_uri_complete
    address, fragment = link.split("#")
    assert address == "https://hub.example/claim/"
    assert fragment.endswith(f"&f={fingerprint(key.public_key())}")
    assert len(fragment.removeprefix("s=").split("&")[0]) == 22  # 16 bytes in base64url


def test_a_member_claims_with_the_typed_code_whatever_its_case_and_dashes(cast: Cast) -> None:
    codes = ask()
    typed = f" {codes.user_code[:5].lower()} - {codes.user_code[5:]}"
    assert authorization_find(membership=cast.anna, user_code=typed).serial == "SN-9"


def test_the_device_gets_a_certificate_for_its_own_key_and_nothing_of_its_csr_but_the_key(cast: Cast) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    codes = ask(key)
    device = claim(cast.anna, codes)
    enrollment = authorization_poll(device_code=codes.device_code)
    certificate = x509.load_pem_x509_certificate(enrollment.certificate_pem.encode())
    assert certificate.public_key() == key.public_key()
    assert certificate.subject.rfc4514_string() == f"CN={device.public_id}"
    certificate.verify_directly_issued_by(authority_get().certificate)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert enrollment.household_name == "Lake House"


def test_asking_again_gives_the_same_certificate_since_an_answer_may_get_lost(cast: Cast) -> None:
    codes = ask()
    claim(cast.anna, codes)
    first = authorization_poll(device_code=codes.device_code)
    assert authorization_poll(device_code=codes.device_code) == first


def test_polling_says_pending_then_slow_down(cast: Cast) -> None:
    codes = ask()
    with pytest.raises(PollProblem) as pending:
        authorization_poll(device_code=codes.device_code)
    with pytest.raises(PollProblem) as hasty:
        authorization_poll(device_code=codes.device_code)
    assert (pending.value.error, hasty.value.error) == ("authorization_pending", "slow_down")


def test_a_refused_device_is_told_so(cast: Cast) -> None:
    codes = ask()
    found = authorization_find(membership=cast.anna, user_code=codes.user_code)
    authorization_deny(membership=cast.anna, authorization=found)
    with pytest.raises(PollProblem) as denied:
        authorization_poll(device_code=codes.device_code)
    assert denied.value.error == "access_denied"


def test_an_expired_code_says_so_to_both_sides(cast: Cast) -> None:
    codes = ask()
    row = DeviceAuthorization.objects.latest("pk")
    DeviceAuthorization.objects.update(expires_at=row.expires_at - timedelta(minutes=16))
    with pytest.raises(NotFound, match="expired"):
        authorization_find(membership=cast.anna, user_code=codes.user_code)
    with pytest.raises(PollProblem) as expired:
        authorization_poll(device_code=codes.device_code)
    assert expired.value.error == "expired_token"


def test_a_used_code_works_no_second_time(cast: Cast) -> None:
    codes = ask()
    claim(cast.anna, codes)
    with pytest.raises(Conflict, match="belongs to another home"):
        authorization_find(membership=cast.carla, secret=secret_of(codes))


def test_five_wrong_codes_are_enough_for_a_quarter_of_an_hour(cast: Cast) -> None:
    for _ in range(5):
        with pytest.raises(NotFound):
            authorization_find(membership=cast.anna, user_code="BCDFG-HJKLM")
    for code in ("BCDFG-HJKLM", ask().user_code):
        with pytest.raises(TooMany):
            authorization_find(membership=cast.anna, user_code=code)


def test_whoever_has_it_adds_it_again_though_another_home_says_the_same_serial_number(cast: Cast) -> None:
    """Such as by a device that lies: it must not lock the box of somebody else out."""
    own = claim(cast.anna, ask())
    lie = Device.objects.create(
        household=cast.carla.household, name="Lie", model=own.model, serial=own.serial, claimed_at=now()
    )
    again = ask()
    found = authorization_find(membership=cast.anna, secret=secret_of(again))
    assert device_known(household=cast.anna.household, authorization=found) == own
    device_unclaim(device=own)
    with pytest.raises(Conflict, match="another home"):
        authorization_find(membership=cast.anna, secret=secret_of(again))
    assert lie.revoked_at is None


@pytest.mark.parametrize("says", [("TEST SPEAKER", "sn-1"), (" Test speaker", "SN-1 ")])
def test_capitals_and_spaces_do_not_make_it_another_device(cast: Cast, says: tuple[str, str]) -> None:
    own = claim(cast.anna, ask())
    Device.objects.filter(pk=own.pk).update(model="Test speaker", serial="SN-1")
    model, serial = says
    waiting = DeviceAuthorization(model=model, serial=serial)
    assert device_known(household=cast.anna.household, authorization=waiting) == own
    with pytest.raises(Conflict, match="another home"):
        device_known(household=cast.carla.household, authorization=waiting)


def test_a_device_that_is_reset_and_added_again_keeps_its_rules_and_its_room(cast: Cast) -> None:
    """Else an adult who can reach it would let themselves into a teenager's room."""
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    cast.ben.refresh_from_db()
    home, old = cast.anna.household, claim(cast.anna, ask())
    attic = Room.objects.create(household=home, name="Attic")
    Device.objects.filter(pk=old.pk).update(room=attic)
    for place in ({"device": old}, {"room": attic}):
        AccessRule.objects.create(household=home, right=Permission.DROP_IN.value, **place)
    found = authorization_find(membership=cast.ben, secret=secret_of(ask()))
    add = partial(
        authorization_confirm,
        membership=cast.ben,
        authorization=found,
        name="Attic",
        is_auto_answer=True,
        lets_go=old.public_id,
    )
    with pytest.raises(NotAllowed, match="Attic has rules"):
        add(room=None)
    old.refresh_from_db()
    assert old.revoked_at is None
    device = add(room=attic)
    assert {rule.device for rule in AccessRule.objects.filter(room=None)} == {old, device}


def test_requests_are_forgotten_a_day_after_their_codes_ran_out_and_the_devices_stay(cast: Cast) -> None:
    used, unused, alive = ask(), ask(), ask()
    device = claim(cast.anna, used)
    waiting = DeviceAuthorization.objects.order_by("-pk")[1]
    DeviceAuthorization.objects.filter(pk=waiting.pk).update(expires_at=now() - timedelta(hours=25))
    DeviceAuthorization.objects.filter(device=device).update(expires_at=now() - timedelta(hours=25))
    DeviceAuthorization.objects.exclude(serial="SN-9").update(expires_at=now() - timedelta(hours=23))
    count = DeviceAuthorization.objects.count()
    assert authorizations_sweep() == 2
    assert DeviceAuthorization.objects.count() == count - 2
    for codes in (used, unused):
        with pytest.raises(PollProblem, match="expired_token"):
            authorization_poll(device_code=codes.device_code)
    assert Device.objects.get(pk=device.pk).revoked_at is None
    assert authorization_find(membership=cast.anna, secret=secret_of(alive)).serial == "SN-9"


def test_a_child_may_not_claim(cast: Cast) -> None:
    with pytest.raises(NotAllowed):
        authorization_find(membership=cast.ben, user_code=ask().user_code)


def test_another_key_than_the_one_in_the_code_is_refused(cast: Cast) -> None:
    codes = ask()
    with pytest.raises(Invalid, match="not the key"):
        authorization_find(membership=cast.anna, secret=secret_of(codes), fingerprint="ab" * 32)


@pytest.mark.parametrize("secret", ["", "x", "A" * 22])
def test_an_unknown_secret_finds_nothing(cast: Cast, secret: str) -> None:
    with pytest.raises(DomainError):
        authorization_find(membership=cast.anna, secret=secret)


def rsa_csr() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


def broken_csr() -> str:
    """Well formed, with a signature that is not its key's."""
    good = x509.load_pem_x509_csr(csr_make().encode()).public_bytes(serialization.Encoding.DER)
    bad = bytearray(good)
    bad[-5] ^= 1
    return x509.load_der_x509_csr(bytes(bad)).public_bytes(serialization.Encoding.PEM).decode()


def strange_csr(oid: str, other: str) -> str:
    """Well formed, with an object identifier that nobody knows. Both are DER, hex, of one length."""
    good = x509.load_pem_x509_csr(csr_make().encode()).public_bytes(serialization.Encoding.DER)
    assert bytes.fromhex(oid) in good
    bad = good.replace(bytes.fromhex(oid), bytes.fromhex(other))
    body = "\n".join(textwrap.wrap(base64.b64encode(bad).decode(), 64))
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"


@pytest.mark.parametrize(
    "csr",
    [
        "",
        "hello",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
        rsa_csr(),
        csr_make(ec.generate_private_key(ec.SECP384R1())),
        broken_csr(),
        edwards(BENT),
        swapped(BENT),
        huge(BENT),
        strange_csr("06072a8648ce3d0201", "06072a8648ce3d0263"),
        strange_csr("06082a8648ce3d030107", "06082a8648ce3d030163"),
        strange_csr("06082a8648ce3d040302", "06082a8648ce3d040363"),
    ],
    ids=[
        "empty",
        "words",
        "truncated",
        "rsa",
        "other curve",
        "bad signature",
        "ed25519",
        "another's key",
        "huge",
        "unknown key",
        "unknown curve",
        "unknown signature",
    ],
)
def test_a_bad_signing_request_gets_a_clear_answer(cast: Cast, client: Client, csr: str) -> None:
    body = {"csr_pem": csr, "model": "m", "serial": "s"}
    answer = client.post("/api/v1/devices/authorizations", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["error_description"]
    assert DeviceAuthorization.objects.filter(serial="s").count() == 0


@pytest.mark.parametrize("wish", [authority, names], ids=["to be an authority", "to have other names"])
def test_what_a_signing_request_wishes_to_be_is_not_heard(cast: Cast, wish: Callable[[Bent], str]) -> None:
    request = AuthorizationRequest(csr_pem=wish(BENT), model="m", serial="s")
    codes = authorization_start(request=request, base_url="https://hub.example")
    device = claim(cast.anna, codes)
    pem = authorization_poll(device_code=codes.device_code).certificate_pem
    certificate = x509.load_pem_x509_certificate(pem.encode())
    extensions = certificate.extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert certificate.subject.rfc4514_string() == f"CN={device.public_id}"
    names_given = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names_given] == [f"urn:uuid:{device.public_id}"]


@pytest.mark.parametrize("noise", ["\0", "\n# a comment\n\0"])
def test_of_a_signing_request_only_the_request_is_kept(cast: Cast, client: Client, noise: str) -> None:
    body = {"csr_pem": csr_make() + noise, "model": "m", "serial": "s"}
    answer = client.post("/api/v1/devices/authorizations", body, content_type="application/json")
    assert answer.status_code in (200, 400)
    kept = "".join(DeviceAuthorization.objects.filter(serial="s").values_list("csr_pem", flat=True))
    assert "comment" not in kept


@pytest.mark.parametrize("field", ["model", "serial", "capabilities"])
def test_what_the_database_cannot_hold_is_refused_before_it_gets_there(
    cast: Cast, client: Client, field: str
) -> None:
    bad = "a\0b"
    body = {"csr_pem": csr_make(), "model": "m", "serial": "s"} | {field: [bad] if field[0] == "c" else bad}
    answer = client.post("/api/v1/devices/authorizations", body, content_type="application/json")
    assert answer.status_code == 400
    assert field in answer.json()["error_description"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"[" * 5000, b"\xff\xfe{", b"null", b'"x"'],
    ids=["empty", "cut", "deep", "no text", "null", "words"],
)
def test_what_is_no_request_gets_a_clear_answer(cast: Cast, client: Client, body: bytes) -> None:
    answer = client.post("/api/v1/devices/authorizations", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["error_description"]


@given(st.binary(max_size=600))
def test_no_bytes_at_all_break_the_check_of_signing_requests(noise: bytes) -> None:
    with pytest.raises(Invalid):
        csr_check(noise.decode("latin-1"))


@given(st.text(max_size=40))
def test_a_typed_code_is_a_code_or_is_refused(text: str) -> None:
    try:
        code = user_code_normalize(text)
    except Invalid:
        return
    assert len(code) == 10


def test_the_whole_way_over_http(cast: Cast, client: Client) -> None:
    body = {"csr_pem": csr_make(), "model": "Speaker", "serial": "S-1"}
    codes = client.post("/api/v1/devices/authorizations", body, content_type="application/json").json()
    assert set(codes) == {
        "device_code",
        "user_code",
        "verification_uri",
        "verification_uri_complete",
        "expires_in",
        "interval",
    }
    token = {"device_code": codes["device_code"]}
    answer = client.post("/api/v1/devices/token", token, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]) == (400, "authorization_pending")
    found = authorization_find(membership=cast.anna, user_code=codes["user_code"])
    authorization_confirm(
        membership=cast.anna, authorization=found, name="Hall", room=None, is_auto_answer=False
    )
    answer = client.post("/api/v1/devices/token", token, content_type="application/json")
    assert answer.status_code == 200
    assert answer.json()["certificate_pem"].startswith("-----BEGIN CERTIFICATE-----")


@pytest.mark.django_db(transaction=True)
def test_of_ten_people_who_claim_at_once_one_wins(cast: Cast) -> None:
    codes = ask()
    found = authorization_find(membership=cast.anna, user_code=codes.user_code)

    def race(member: Membership) -> str:
        try:
            with scopes_disabled():
                authorization_confirm(
                    membership=member, authorization=found, name="Mine", room=None, is_auto_answer=False
                )
        except Conflict:
            return "lost"
        finally:
            connection.close()
        return "won"

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(race, [cast.anna, cast.carla] * 5))
    assert sorted(results) == ["lost"] * 9 + ["won"]
    assert Device.objects.filter(name="Mine").count() == 1
