"""A real device and a real hub, over years and power cuts."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from agent.identity import ENROLLMENT_FILE, Identity
from common.clock import now
from devices.claiming.confirmation import authorization_confirm, authorization_find
from devices.identity.keys import device_key_ask
from devices.life.transfers import transfer_accept, transfer_create, transfer_find
from devices.models import Device, DeviceCertificate, Transfer
from devices.services import device_unclaim
from households.models import Membership
from households.record.audit import AuditKind, audit_list
from tests.e2e.house import Device as Box
from tests.fakes.dying_agent import DEAD
from tests.plugin_cast import Cast
from tests.whip.foreign import Web

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_scope")]

WITHIN_S = 60.0


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with Web(log=tmp_path / "web.log") as web:
        yield web


@pytest.fixture
def box(web: Web, tmp_path: Path) -> Iterator[Box]:
    box = Box(folder=tmp_path / "box", hub_url=web.url, name="Hall speaker")
    yield box
    box.stop()


def until(condition: Callable[[], bool], box: Box) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline_s, (box.folder / "agent.log").read_text()
        time.sleep(0.05)


def claim(member: Membership, box: Box) -> Device:
    """Runs from then on, and is online."""
    box.start()
    found = authorization_find(membership=member, user_code=box.claim_codes()["user_code"])
    device = authorization_confirm(
        membership=member, authorization=found, name="Hall", room=None, is_auto_answer=True
    )
    until(lambda: is_online(device), box)
    return device


def is_online(device: Device) -> bool:
    return Device.objects.select_related("presence").get(pk=device.pk).presence.is_online


def identity_of(box: Box) -> Identity:
    return Identity(box.folder / "data")


def kinds(member: Membership) -> list[str]:
    return [entry.kind for entry in audit_list(member.household)]


def test_a_device_that_comes_back_after_years_renews_its_certificate(cast: Cast, box: Box) -> None:
    device = claim(cast.anna, box)
    box.stop()
    row = DeviceCertificate.objects.get(device=device)
    row.not_before, row.not_after = now() - timedelta(days=3000), now() - timedelta(days=2635)
    row.save()
    _certificate_age(box, days=3000)
    box.start()
    until(lambda: DeviceCertificate.objects.filter(pk=row.pk).exclude(superseded_at=None).exists(), box)
    box.stop()
    new = DeviceCertificate.objects.get(device=device, superseded_at=None)
    assert identity_of(box).certificate.serial_number == int(new.serial_number, 16)
    assert new.fingerprint_sha256 == device.fingerprint_sha256
    assert kinds(cast.anna).count(AuditKind.RENEWED) == 1


def _certificate_age(box: Box, *, days: int) -> None:
    """As if it had been given so long ago: signed by the hub, with the dates of then."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from devices.identity.certificates import certificate_sign, csr_check

    with pytest.MonkeyPatch.context() as patch:
        then = now() - timedelta(days=days)
        patch.setattr("devices.identity.certificates.now", lambda: then)
        identity = identity_of(box)
        old = certificate_sign(request=csr_check(identity.csr_pem("x")), device_id=identity.device_id)
    file = box.folder / "data" / ENROLLMENT_FILE
    stored = json.loads(file.read_text())
    stored["enrollment"]["certificate_pem"] = old.public_bytes(Encoding.PEM).decode()
    file.write_text(json.dumps(stored))


def test_a_device_changes_its_key_whenever_its_power_goes_meanwhile(cast: Cast, box: Box) -> None:
    device = claim(cast.anna, box)
    # The next key is half written; certified; named by the enrollment; about to get the old one's name.
    for step in (3, 7, 12, 14):
        before = Device.objects.get(pk=device.pk)
        device_key_ask(membership=cast.anna, device=device)
        box.stop()
        box.prefix = (sys.executable, "-m", "tests.fakes.dying_agent", str(step))
        box.start()
        assert box.process is not None
        assert box.process.wait(timeout=WITHIN_S) == DEAD
        box.stop()
        box.prefix = ()
        box.start()
        until(lambda: Device.objects.get(pk=device.pk).key_wanted_at is None and is_online(device), box)
        after = Device.objects.get(pk=device.pk)
        assert after.fingerprint_sha256 != before.fingerprint_sha256
        assert after.claim_epoch == before.claim_epoch + 1
    box.stop()
    identity = identity_of(box)
    assert (identity.fingerprint_sha256, identity.epoch) == (after.fingerprint_sha256, after.claim_epoch)
    assert kinds(cast.anna).count(AuditKind.KEY_CHANGED) == 4


def test_a_device_that_was_removed_while_it_was_off_forgets_its_home_when_it_is_back(
    cast: Cast, box: Box
) -> None:
    device = claim(cast.anna, box)
    box.stop()
    key = identity_of(box).fingerprint_sha256
    device_unclaim(device=device, by=cast.anna.user)
    box.start()
    box.claim_codes()
    box.stop()
    assert not identity_of(box).is_claimed
    assert identity_of(box).fingerprint_sha256 != key


def test_after_a_backup_that_is_older_than_its_key_a_device_is_removed_and_added_again(
    cast: Cast, box: Box
) -> None:
    device = claim(cast.anna, box)
    before, certificates = Device.objects.get(pk=device.pk), list(DeviceCertificate.objects.all())
    device_key_ask(membership=cast.anna, device=device)
    until(lambda: Device.objects.get(pk=device.pk).claim_epoch == 2 and is_online(device), box)
    box.stop()
    _restore(before, certificates)
    box.start()
    until(lambda: "not let this device in" in (box.folder / "agent.log").read_text(), box)
    box.stop()  # instead of the minute until its next try
    assert identity_of(box).is_claimed
    owner = Client()
    owner.force_login(cast.anna.user, "django.contrib.auth.backends.ModelBackend")
    owner.post(reverse("devices:remove", args=[device.public_id]))
    again = claim(cast.anna, box)
    box.stop()
    assert identity_of(box).device_id == again.public_id != device.public_id


def _restore(device: Device, certificates: list[DeviceCertificate]) -> None:
    """The rows are as they were then."""
    device.save()
    DeviceCertificate.objects.filter(device=device).delete()
    DeviceCertificate.objects.bulk_create(
        [certificate for certificate in certificates if certificate.device_id == device.pk]
    )


def test_a_device_that_was_off_comes_to_its_new_home_by_itself(cast: Cast, box: Box) -> None:
    device = claim(cast.anna, box)
    box.stop()
    _, token = transfer_create(membership=cast.anna, device=device)
    transfer = transfer_accept(
        transfer=transfer_find(token=token),
        membership=cast.carla,
        name="Mill speaker",
        room=None,
        is_auto_answer=True,
    )
    box.start()
    until(lambda: Transfer.objects.exclude(to_device=None).filter(pk=transfer.pk).exists(), box)
    transfer.refresh_from_db()
    new = transfer.to_device
    assert new is not None
    until(lambda: is_online(new), box)
    box.stop()
    assert identity_of(box).device_id == new.public_id != device.public_id
    assert identity_of(box).fingerprint_sha256 == new.fingerprint_sha256 != device.fingerprint_sha256
    assert (new.household, new.name) == (cast.carla.household, "Mill speaker")
