"""Whether a record is as it was written: each entry is hashed together with the one before it.

The hash is an HMAC under a key of the hub, so that whoever can write to the database alone cannot make entries that
fit. `AuditHead` holds the last one, under an HMAC of its own: entries that are missing at the end show, too.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models
from django_scopes import scope

from households.models import AuditEntry, AuditHead, Household

_KEY_BYTES = 32


class AuditProblem(models.TextChoices):
    """The label is for people, after "Entry 7 "."""

    CHANGED = "changed", "was changed after it was written"
    MISSING = "missing", "is missing"
    CUT = "cut", "and later ones may be missing"
    REWORDED = "reworded", "tells something else than what was written"  # in an exported file


@dataclass(frozen=True)
class AuditCheck:
    """`count`: the entries up to the end, or to the first that is wrong. `broken_at`: its number. None: all is as it
    was written."""

    count: int
    broken_at: int | None
    problem: AuditProblem | None = None


def audit_check(household: Household) -> AuditCheck:
    """Reads every entry."""
    with scope(household=household):
        before = _head_read(household)
        entries = (
            AuditEntry.objects.filter(household=household).select_related("household").order_by("number")
        )
        found, last_hash = audit_chain(entries.iterator())
        after = _head_read(household)  # more may have been written meanwhile
    if found.broken_at is not None:
        return found
    if before is None or after is None:
        return AuditCheck(found.count, found.count + 1, AuditProblem.CUT)
    if found.count < before.number:
        return AuditCheck(found.count, found.count + 1, AuditProblem.MISSING)
    ends = {head.number: head.hash for head in (before, after)}
    if found.count > after.number or ends.get(found.count, last_hash) != last_hash:
        return AuditCheck(found.count, found.count + 1, AuditProblem.CHANGED)
    return found


def _head_read(household: Household) -> AuditHead | None:
    """None: somebody removed it, or wrote another."""
    head = AuditHead.objects.filter(household=household).first()
    return head if head and hmac.compare_digest(head.seal, audit_seal(head)) else None


def audit_chain(entries: Iterable[AuditEntry]) -> tuple[AuditCheck, str]:
    """Whether these, from the first on, are what was written one after the other; and the hash of the last."""
    previous, count = "", 0
    for entry in entries:
        count += 1
        if entry.number != count:
            return AuditCheck(count, count, AuditProblem.MISSING), previous
        if entry.previous_hash != previous or entry.hash != audit_hash(entry):
            return AuditCheck(count, count, AuditProblem.CHANGED), previous
        previous = entry.hash
    return AuditCheck(count, None), previous


def audit_hash(entry: AuditEntry) -> str:
    """HMAC-SHA-256 (RFC 2104) over everything in the entry but itself, hex."""
    told = {
        "household": str(entry.household.public_id),
        "number": entry.number,
        "at": _moment(entry.at),
        "kind": str(entry.kind),
        "details": entry.details,
        "previous_hash": entry.previous_hash,
    }
    return _hmac(told)


def audit_seal(head: AuditHead) -> str:
    """HMAC-SHA-256 over which entry is the last, hex."""
    return _hmac(
        {"last_of": str(head.household.public_id), "number": head.number, "hash": head.hash},
    )


def _hmac(told: dict[str, object]) -> str:
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(_audit_key(settings.DATA_KEY), text.encode(), hashlib.sha256).hexdigest()


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


@cache
def _audit_key(data_key: str) -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=b"hearthline audit")
    return hkdf.derive(data_key.encode())
