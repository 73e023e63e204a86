"""The household's record of what was done: append-only, each entry hashed together with the one before it.

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
from django.db import models, transaction
from django_scopes import scope

from common.clock import now
from common.push import group_members, push_on_commit
from households.models import AuditEntry, AuditHead, Household
from protocol.messages import HouseholdChanged

_KEY_BYTES = 32


class AuditKind(models.TextChoices):
    """The label is the sentence, with the names in `details`."""

    SIGNED_IN = "signed_in", "{actor} signed in."
    SIGN_IN_REFUSED = "sign_in_refused", "Somebody failed to sign in as {person}."
    SECOND_FACTOR_CHANGED = "second_factor_changed", "{actor} changed how they sign in: {what}."
    PASSWORD_CHANGED = "password_changed", "{actor} changed their password."
    TOKEN_MADE = "token_made", "{actor} made the API token {token}."
    TOKEN_REVOKED = "token_revoked", "{actor} revoked the API token {token}."
    TOKENS_ENDED = "tokens_ended", "API tokens of {person} ended with the old password: {tokens}."
    INVITED = "invited", "{actor} invited {person} as {role}."
    INVITATION_REVOKED = "invitation_revoked", "{actor} took back the invitation of {person}."
    JOINED = "joined", "{actor} joined as {role}."
    CONSENTED = "consented", "{actor} agreed that calls are recorded."
    ROLE_CHANGED = "role_changed", "{actor} made {person} {role}."
    REMOVED = "removed", "{actor} removed {person}."
    LEFT = "left", "{actor} left."
    HANDED_OVER = "handed_over", "{actor} handed the home over to {person}."
    HOUSEHOLD_CHANGED = "household_changed", "{actor} changed the settings of the home."
    CLAIMED = "claimed", "{actor} added {device}."
    CLAIM_REFUSED = "claim_refused", "{actor} did not add a device that showed other words: {device}."
    CLAIM_GUESSED = "claim_guessed", "{actor} typed wrong codes of devices until no more were taken."
    RENAMED = "renamed", "{actor} changed {old} to {device}."
    MOVED = "moved", "{actor} moved {device} to {room}."
    RENEWED = "renewed", "{device} got a new certificate."
    KEY_ASKED = "key_asked", "{actor} asked {device} for a new key."
    KEY_CHANGED = "key_changed", "{device} has a new key."
    DEVICE_TOKEN_MADE = "device_token_made", "{actor} made a new token for {device}."
    UNCLAIMED = "unclaimed", "{actor} removed {device}."
    GIVEN = "given", "{actor} gave {device} away."
    GIVING_CANCELLED = "giving_cancelled", "{actor} kept {device} after all."
    TAKEN = "taken", "{actor} took over {device}."
    LENT = "lent", "{actor} lent {device} to {person}."
    LOAN_ENDED = "loan_ended", "{actor} ended the loan of {device} to {person}."
    ROOM_RENAMED = "room_renamed", "{actor} changed the name of the room {old} to {room}."
    ROOM_REMOVED = "room_removed", "{actor} removed the room {room}."
    RULE_CHANGED = "rule_changed", "{actor} changed who may {right} {where}."
    RECORDING_PLAYED = "recording_played", "{actor} played the recording of a call with {device}."
    RECORDING_DOWNLOADED = "recording_downloaded", "{actor} downloaded the recording of a call with {device}."
    FINGERPRINT_REFUSED = (
        "fingerprint_refused",
        "A connection as {device} was refused: its key is not the claimed one.",
    )
    ANSWER_REFUSED = "answer_refused", "{device} refused a connection: the answer did not come from this hub."
    MESSAGE_REFUSED = (
        "message_refused",
        "A message for {device} was changed on its way inside the hub, and refused.",
    )
    EXPORTED = "exported", "{actor} exported this record."


# What these tell of, no page shows but the record itself.
_SHOWN_NOWHERE = frozenset(
    {
        AuditKind.SIGNED_IN,
        AuditKind.SIGN_IN_REFUSED,
        AuditKind.SECOND_FACTOR_CHANGED,
        AuditKind.PASSWORD_CHANGED,
    }
    | {AuditKind.CLAIM_REFUSED, AuditKind.CLAIM_GUESSED, AuditKind.RENEWED}
    | {AuditKind.RECORDING_PLAYED, AuditKind.RECORDING_DOWNLOADED}
    | {AuditKind.FINGERPRINT_REFUSED, AuditKind.ANSWER_REFUSED, AuditKind.MESSAGE_REFUSED, AuditKind.EXPORTED}
    | {AuditKind.TOKEN_MADE, AuditKind.TOKEN_REVOKED, AuditKind.TOKENS_ENDED, AuditKind.CONSENTED}
)


_WORDED_BEFORE: dict[str, tuple[str, ...]] = {
    AuditKind.HANDED_OVER: ("{actor} handed the household over to {person}.",),
    AuditKind.HOUSEHOLD_CHANGED: ("{actor} changed the settings of the household.",),
}


def audit_note(household: Household, kind: AuditKind, **details: object) -> AuditEntry:
    """One more entry, in the transaction of what it tells of. `details`: the names in the sentence of the kind.

    Names are kept as they are now. Open pages hear that they may show something old. Holds the household's head until
    the transaction ends, so call it last.
    """
    with transaction.atomic(), scope(household=household):
        AuditHead.objects.get_or_create(household=household)  # without a seal: it should have been there
        head = AuditHead.objects.select_for_update().get(household=household)
        head.household = household
        entry = AuditEntry(
            household=household,
            number=head.number + 1,
            at=now(),
            kind=kind,
            details={name: str(value) for name, value in details.items()},
            previous_hash=head.hash,
        )
        entry.hash = audit_hash(entry)
        entry.save(force_insert=True)
        _head_move(head, entry)
        if kind not in _SHOWN_NOWHERE:
            push_on_commit(group_members(household.public_id), HouseholdChanged())
    return entry


def audit_begin(household: Household) -> None:
    """The record of a new household: nothing is in it yet."""
    with scope(household=household):
        head = AuditHead(household=household)
        head.seal = audit_seal(head)
        head.save(force_insert=True)


def _head_move(head: AuditHead, entry: AuditEntry) -> None:
    """A head that somebody made or changed never gets a right seal again."""
    is_right = hmac.compare_digest(head.seal, audit_seal(head))
    head.number, head.hash = entry.number, entry.hash
    head.seal = audit_seal(head) if is_right else ""
    head.save(update_fields=["number", "hash", "seal"])


def audit_sentence(entry: AuditEntry) -> str:
    """In words, for people. A kind of a later version is its bare word."""
    if entry.kind not in AuditKind.values:
        return str(entry.kind)
    return _sentence(str(AuditKind(entry.kind).label), entry)


def audit_sentences(entry: AuditEntry) -> list[str]:
    """The sentence, and those that stand in a file which was exported while its kind was worded otherwise."""
    return [audit_sentence(entry), *(_sentence(words, entry) for words in _WORDED_BEFORE.get(entry.kind, ()))]


def _sentence(words: str, entry: AuditEntry) -> str:
    return words.format_map(_Names({"actor": "The hub", **entry.details}))


class _Names(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "somebody" if key in ("actor", "person") else "?"


def audit_list(household: Household) -> models.QuerySet[AuditEntry]:
    """Newest first."""
    return AuditEntry.objects.filter(household=household).order_by("-number")


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
        found, last_hash = audit_chain(audit_list(household).order_by("number").iterator())
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
