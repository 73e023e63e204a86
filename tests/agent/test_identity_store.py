"""The power may be cut at any moment: what is on the disk then is the old state or the new one, and both work."""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import EnrollmentRefusedError
from agent.identity import ENROLLMENT_FILE, KEY_FILE, NEXT_KEY_FILE, Identity, spki_sha256, stored_fingerprint
from protocol.enrollment import Enrollment
from tests.fakes.hub import FakeHub

pytestmark = pytest.mark.unit

HUB = FakeHub()
STEPS = ("open", "fchmod", "write", "fsync", "close", "replace")


class PowerCutError(Exception):
    pass


class Power:
    """Cuts the power before the `last + 1`-th thing that is done to the disk; writes `bite` bytes at most at once."""

    def __init__(self, *, last: int, bite: int) -> None:
        self.left, self._bite = last, bite
        self._patches = [patch.object(os, name, self._guarded(name)) for name in STEPS]

    def __enter__(self) -> "Power":
        for one in self._patches:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._patches:
            one.stop()

    def _guarded(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            if name == "close":  # what is closed is not on the disk for that
                return real(*args, **kwargs)
            self.left -= 1
            if self.left < 0:
                raise PowerCutError
            if name == "write":
                return real(args[0], args[1][: self._bite])
            return real(*args, **kwargs)

        return step


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def certificate_of(identity: Identity, hub: FakeHub = HUB) -> str:
    return pem_of(hub.certificate_for(identity.private_key.public_key()))


def identity_make(folder: Path) -> Identity:
    identity = Identity(folder)
    enrollment = Enrollment(
        device_id=uuid4(),
        certificate_pem=certificate_of(identity),
        ca_pem=pem_of(HUB.ca),
        household_name="Anna's home",
        device_name="Kitchen speaker",
    )
    identity.enroll(hub_url="http://hub", enrollment=enrollment)
    return identity


@settings(deadline=None, max_examples=60)
@given(last=st.integers(0, 40), bite=st.sampled_from([100, 1000, 100_000]))
def test_a_power_cut_while_a_certificate_is_stored_leaves_the_old_or_the_new_one(
    last: int, bite: int
) -> None:
    with TemporaryDirectory() as folder:
        identity = identity_make(Path(folder))
        old, new = identity.certificate, certificate_of(identity)
        with Power(last=last, bite=bite) as power, suppress(PowerCutError):
            identity.renew(certificate_pem=new, ca_pem=pem_of(HUB.ca))
        after = Identity(Path(folder))
        assert after.is_claimed
        assert after.private_key.private_numbers() == identity.private_key.private_numbers()
        assert after.certificate in (old, x509.load_pem_x509_certificate(new.encode()))
        assert power.left < 0 or pem_of(after.certificate) == new
        assert after.certificate == Identity(Path(folder)).certificate


def test_the_power_of_these_tests_is_cut_before_and_after_the_change(tmp_path: Path) -> None:
    """Else they would show nothing."""
    seen = set()
    for last in range(12):
        identity = identity_make(tmp_path / str(last))
        new = certificate_of(identity)
        with Power(last=last, bite=100_000):
            try:
                identity.renew(certificate_pem=new, ca_pem=pem_of(HUB.ca))
            except PowerCutError:
                seen.add(pem_of(Identity(identity.data_dir).certificate) == new)
    assert seen == {False, True}


def test_a_certificate_of_another_authority_or_for_another_key_is_not_stored(tmp_path: Path) -> None:
    identity, other_hub = identity_make(tmp_path), FakeHub()
    before = identity.certificate
    foreign_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    for certificate_pem, ca_pem in (
        (certificate_of(identity, other_hub), pem_of(HUB.ca)),
        (certificate_of(identity, other_hub), pem_of(other_hub.ca)),
        (pem_of(HUB.certificate_for(foreign_key)), pem_of(HUB.ca)),
        ("", pem_of(HUB.ca)),
        (certificate_of(identity)[:300], pem_of(HUB.ca)),
        (certificate_of(identity), ""),
    ):
        with pytest.raises(EnrollmentRefusedError):
            identity.renew(certificate_pem=certificate_pem, ca_pem=ca_pem)
    assert identity.certificate == Identity(tmp_path).certificate == before


def test_an_expired_certificate_does_not_undo_a_claim(tmp_path: Path) -> None:
    identity = identity_make(tmp_path)
    hub_ends_at = HUB.certificate_ends_at
    try:
        HUB.certificate_ends_at = HUB.hub_time - timedelta(days=700)
        identity.renew(certificate_pem=certificate_of(identity), ca_pem=pem_of(HUB.ca))
    finally:
        HUB.certificate_ends_at = hub_ends_at
    assert Identity(tmp_path).is_claimed


def next_certificate(identity: Identity) -> str:
    csr = x509.load_pem_x509_csr(identity.next_csr_pem("SN-1").encode())
    key = csr.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return pem_of(HUB.certificate_for(key))


def change_key(identity: Identity) -> None:
    certificate_pem = next_certificate(identity)
    identity.change_key(certificate_pem=certificate_pem, ca_pem=pem_of(HUB.ca), epoch=2)


@settings(deadline=None, max_examples=60)
@given(cuts=st.lists(st.integers(0, 25), min_size=1, max_size=4), bite=st.sampled_from([100, 100_000]))
def test_a_power_cut_while_the_key_changes_leaves_a_device_that_can_log_in(
    cuts: list[int], bite: int
) -> None:
    """Also when the power is cut again while it starts. Key, certificate and epoch are of one piece."""
    with TemporaryDirectory() as folder:
        first = identity_make(Path(folder))
        known = {first.fingerprint_sha256: 1}
        for last in cuts:
            with Power(last=last, bite=bite), suppress(PowerCutError):
                identity = Identity(Path(folder))
                certificate = next_certificate(identity)
                epoch = identity.epoch + 1
                known[fingerprint_of(certificate)] = epoch  # the hub has it before the device hears of it
                identity.change_key(certificate_pem=certificate, ca_pem=pem_of(HUB.ca), epoch=epoch)
        after = Identity(Path(folder))
        assert after.is_claimed
        assert after.epoch == known[after.fingerprint_sha256]
        assert fingerprint_of(pem_of(after.certificate)) == after.fingerprint_sha256


def fingerprint_of(certificate_pem: str) -> str:
    key = x509.load_pem_x509_certificate(certificate_pem.encode()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return spki_sha256(key)


def test_the_key_changes_and_nothing_of_the_old_one_stays(tmp_path: Path) -> None:
    identity = identity_make(tmp_path)
    old_key, old_file = identity.fingerprint_sha256, (tmp_path / KEY_FILE).read_bytes()
    change_key(identity)
    again = Identity(tmp_path)
    assert again.fingerprint_sha256 == identity.fingerprint_sha256 != old_key
    assert (again.epoch, again.device_id) == (2, identity.device_id)
    assert not (tmp_path / NEXT_KEY_FILE).exists()
    assert (tmp_path / KEY_FILE).read_bytes() != old_file


def test_the_power_of_these_tests_is_cut_before_and_after_the_key_changed(tmp_path: Path) -> None:
    """Also in between: with the enrollment for the next key, which has not its final name yet."""
    seen = set()
    for last in range(20):
        identity = identity_make(tmp_path / str(last))
        old = identity.fingerprint_sha256
        with Power(last=last, bite=100_000) as power, suppress(PowerCutError):
            change_key(identity)
        if power.left < 0:
            is_between = stored_fingerprint(identity.data_dir) != old
            is_between &= (identity.data_dir / NEXT_KEY_FILE).exists()
            seen.add((is_between, Identity(identity.data_dir).fingerprint_sha256 != old))
    assert seen == {(False, False), (True, True), (False, True)}


def test_a_key_that_nobody_certified_is_forgotten_at_the_next_start(tmp_path: Path) -> None:
    identity = identity_make(tmp_path)
    identity.next_csr_pem("SN-1")
    assert Identity(tmp_path).fingerprint_sha256 == identity.fingerprint_sha256
    assert not (tmp_path / NEXT_KEY_FILE).exists()


def test_a_disk_that_does_not_read_for_once_costs_no_key(tmp_path: Path) -> None:
    """The next key may be the only one that the hub still knows."""
    identity_make(tmp_path).next_csr_pem("SN-1")
    (tmp_path / ENROLLMENT_FILE).unlink()
    (tmp_path / ENROLLMENT_FILE).mkdir()
    with pytest.raises(OSError, match="directory"):
        Identity(tmp_path)
    assert (tmp_path / NEXT_KEY_FILE).exists()


def test_a_certificate_for_the_old_key_does_not_change_the_key(tmp_path: Path) -> None:
    identity = identity_make(tmp_path)
    for is_made in (False, True):
        if is_made:
            identity.next_csr_pem("SN-1")
        with pytest.raises(EnrollmentRefusedError):
            identity.change_key(certificate_pem=certificate_of(identity), ca_pem=pem_of(HUB.ca), epoch=2)
    assert Identity(tmp_path).epoch == identity.epoch == 1


@pytest.mark.parametrize("epoch", [1, 3, 99])
def test_an_epoch_that_does_not_come_next_changes_nothing(tmp_path: Path, epoch: int) -> None:
    """Nobody in between locks a device out for good by writing another one into the answer."""
    identity = identity_make(tmp_path)
    certificate_pem = next_certificate(identity)
    with pytest.raises(EnrollmentRefusedError, match="counts"):
        identity.change_key(certificate_pem=certificate_pem, ca_pem=pem_of(HUB.ca), epoch=epoch)
    assert Identity(tmp_path).fingerprint_sha256 == identity.fingerprint_sha256


def test_a_wiped_device_has_no_second_key_either(tmp_path: Path) -> None:
    identity = identity_make(tmp_path)
    identity.next_csr_pem("SN-1")
    identity.wipe()
    assert not (tmp_path / NEXT_KEY_FILE).exists()
    assert not Identity(tmp_path).is_claimed
