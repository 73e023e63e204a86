"""Which keys stand for a device: at its login, and in the encryption of its calls."""

from devices.models import Device
from households.audit import AuditKind, audit_note


def device_keys(device: Device) -> frozenset[str] | None:
    """Fingerprints (SHA-256 of the SubjectPublicKeyInfo, hex); None: it is known by no key, but by its token.

    Both where it has a next one. Nobody's once it belongs to nobody.
    """
    if device.is_foreign:
        return None
    keys = (device.fingerprint_sha256, device.next_fingerprint_sha256)
    return frozenset() if device.revoked_at else frozenset(key for key in keys if key)


def device_key_refused(*, device: Device) -> None:
    """Somebody connected in its name, with another key."""
    audit_note(device.household, AuditKind.FINGERPRINT_REFUSED, device=device.name)
