"""The household's record of what was done: its kinds of entries, their words, and writing one.

An entry is never changed afterwards (households.record.chain shows it), so words are made when they are read.
"""

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from string import Formatter
from typing import NamedTuple

from django.db import models, transaction
from django_scopes import scope

from common.clock import now
from common.names import name_apart
from common.push import group_members, push_on_commit
from households.models import AuditEntry, AuditHead, Household
from households.record.chain import audit_hash, audit_seal
from protocol.messages.household import HouseholdChanged


class AuditKind(models.TextChoices):
    """The label is the sentence, with the names in `details`. What stands in brackets is said where all its names are
    known: entries of earlier versions know fewer."""

    SIGNED_IN = "signed_in", "{actor} signed in[ with {browser}][ on {system}][, by {way}]."
    SIGN_IN_REFUSED = "sign_in_refused", "Somebody failed to sign in as {person}."
    SIGN_IN_STOPPED = (
        "sign_in_stopped",
        "After too many wrong tries nobody could sign in as {person} for some minutes.",
    )
    SESSION_ENDED = "session_ended", "{actor} signed out another browser[: {browser}][ on {system}]."
    SECOND_FACTOR_CHANGED = "second_factor_changed", "{actor} changed how they sign in: {what}."
    SECOND_FACTOR_REMOVED = (
        "second_factor_removed",
        "Whoever runs the hub removed the second factor of {person}, who had lost it.",
    )
    RECOVERY_CODE_USED = "recovery_code_used", "{actor} used a recovery code to show that it is them."
    PASSKEY_RENAMED = "passkey_renamed", "{actor} changed the name of their passkey {old} to {new}."
    PASSWORD_CHANGED = "password_changed", "{actor} changed their password."
    PASSWORD_ASKED = (
        "password_asked",
        "Somebody asked for a new password for {person}. The link for it was shown to whoever runs the hub.",
    )
    PASSWORD_LINK_MADE = (
        "password_link_made",
        "Whoever runs the hub made a link with which {person} can choose a new password.",
    )
    PASSWORD_RESET = (
        "password_reset",
        "A new password for {person} was chosen, with a link that whoever runs the hub had.",
    )
    TOKEN_MADE = "token_made", "{actor} made the API token {token}."
    TOKEN_REVOKED = "token_revoked", "{actor} revoked the API token {token}."
    TOKENS_ENDED = "tokens_ended", "API tokens of {person} ended with the old password: {tokens}."
    INVITED = "invited", "{actor} invited {person} as {role}[, by a link that is good until {until}]."
    INVITATION_REVOKED = (
        "invitation_revoked",
        "{actor} took back the invitation of {person}[, which {inviter} had made].",
    )
    JOINED = "joined", "{actor} joined as {role}[, by a link of {inviter}][ for {person}]."
    NAME_CHANGED = "name_changed", "{actor} changed their own name to {person}."
    CONSENTED = "consented", "{actor} agreed that calls are recorded."
    ROLE_CHANGED = "role_changed", "{actor} made {person} {role}[ (before: {old})]."
    REMOVED = "removed", "{actor} removed {person}."
    LEFT = "left", "{actor} left."
    HANDED_OVER = (
        "handed_over",
        "{actor} handed the home over to {person}: {person} became an owner, and {actor} an adult.",
    )
    HOUSEHOLD_CHANGED = "household_changed", "{actor} changed the settings of the home[: {what}]."
    CLAIMED = "claimed", "{actor} added {device}[ in {room}][; it came from {home}][; it answers {answers}]."
    CLAIM_REFUSED = "claim_refused", "{actor} did not add a device that showed other words: {device}."
    CLAIM_GUESSED = "claim_guessed", "{actor} typed wrong codes of devices until no more were taken."
    RENAMED = "renamed", "{actor} changed the name of {old} to {device}."
    MOVED = "moved", "{actor} moved {device}[ from {old}] to {room}[. With that, {rules}]."
    ANSWERING_CHANGED = "answering_changed", "{actor} set {device} to answer {answers}."
    RENEWED = "renewed", "{device} got a new certificate[, good until {until}]."
    KEY_ASKED = "key_asked", "{actor} asked {device} for a new key."
    KEY_CHANGED = "key_changed", "{device} has a new key."
    DEVICE_TOKEN_MADE = "device_token_made", "{actor} made a new token for {device}."
    UNCLAIMED = "unclaimed", "{actor} removed {device}[: it was reset, and added again as {new}]."
    GIVEN = "given", "{actor} made a link to give {device} to another home[; it is good until {until}]."
    GIVING_CANCELLED = "giving_cancelled", "{actor} took back the link to give {device} to another home."
    WENT = "went", "{device} went to another home, {home}. {actor} took it over there."
    TAKEN = "taken", "{actor} took over {device}[ from another home, {home}]."
    TAKING_ENDED = "taking_ended", "{actor} gave up waiting for {device}[, which was to come from {home}]."
    LENT = "lent", "{actor} lent {device} to {person}[, who may {scope} it][ {period}]."
    LOAN_ENDED = (
        "loan_ended",
        "{actor} ended the loan of {device} to {person}[, which was to last until {until}]"
        "[: {lender}, who had lent it, lends nothing any more].",
    )
    ROOM_RENAMED = "room_renamed", "{actor} changed the name of the room {old} to {room}."
    ROOM_REMOVED = "room_removed", "{actor} removed the room {room}."
    RULE_CHANGED = "rule_changed", "{actor} changed who may {right} {where}[: now {now}]."
    RECORDING_PLAYED = (
        "recording_played",
        "{actor} played the recording of a call[ by {caller}] with {device}[ on {began}].",
    )
    RECORDING_DOWNLOADED = (
        "recording_downloaded",
        "{actor} downloaded the recording of a call[ by {caller}] with {device}[ on {began}].",
    )
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
    PRINTED = "printed", "{actor} made a copy of this record to print: {what}."


# What these tell of, no page shows but the record itself.
_SHOWN_NOWHERE = frozenset(
    {
        AuditKind.SIGNED_IN,
        AuditKind.SIGN_IN_REFUSED,
        AuditKind.SIGN_IN_STOPPED,
        AuditKind.SESSION_ENDED,
        AuditKind.SECOND_FACTOR_CHANGED,
        AuditKind.SECOND_FACTOR_REMOVED,
        AuditKind.PASSWORD_CHANGED,
    }
    | {AuditKind.PASSWORD_ASKED, AuditKind.PASSWORD_LINK_MADE, AuditKind.PASSWORD_RESET}
    | {AuditKind.RECOVERY_CODE_USED, AuditKind.PASSKEY_RENAMED}
    | {AuditKind.CLAIM_REFUSED, AuditKind.CLAIM_GUESSED, AuditKind.RENEWED}
    | {AuditKind.RECORDING_PLAYED, AuditKind.RECORDING_DOWNLOADED}
    | {AuditKind.FINGERPRINT_REFUSED, AuditKind.ANSWER_REFUSED, AuditKind.MESSAGE_REFUSED}
    | {AuditKind.EXPORTED, AuditKind.PRINTED}
    | {AuditKind.TOKEN_MADE, AuditKind.TOKEN_REVOKED, AuditKind.TOKENS_ENDED, AuditKind.CONSENTED}
)


_WORDED_BEFORE: dict[str, tuple[str, ...]] = {
    AuditKind.HANDED_OVER: (
        "{actor} handed the household over to {person}.",
        "{actor} handed the home over to {person}.",
    ),
    AuditKind.HOUSEHOLD_CHANGED: ("{actor} changed the settings of the household.",),
    AuditKind.RENAMED: ("{actor} changed {old} to {device}.",),
    AuditKind.GIVEN: ("{actor} gave {device} away.",),
    AuditKind.GIVING_CANCELLED: ("{actor} kept {device} after all.",),
}


def audit_note(household: Household, kind: AuditKind, **details: object) -> AuditEntry:
    """One more entry, in the transaction of what it tells of. `details`: the names in the sentence of the kind; what
    is not known is None.

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
            details={name: str(value) for name, value in details.items() if value is not None},
            previous_hash=head.hash,
        )
        entry.hash = audit_hash(entry)
        entry.save(force_insert=True)
        _head_move(head, entry)
        if kind not in _SHOWN_NOWHERE:
            push_on_commit(group_members(household.public_id), HouseholdChanged())
    return entry


class Note(NamedTuple):
    """What the record is to say, once all that it tells of is done."""

    kind: AuditKind
    details: Mapping[str, object]


def audit_notes(household: Household, notes: Iterable[Note]) -> None:
    """Several entries, in this order. Call it last, too."""
    for kind, details in notes:
        audit_note(household, kind, **details)


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
    return _sentence(str(AuditKind(entry.kind).label), entry, name_apart)


def audit_sentences(entry: AuditEntry) -> list[str]:
    """The sentence, and those that stand in a file which was exported while its kind was worded otherwise.

    An entry that knows more than such a sentence says is younger than it.
    """
    if entry.kind not in AuditKind.values:
        return [audit_sentence(entry)]
    words = str(AuditKind(entry.kind).label)
    is_young = any(_is_said(part, entry) for part in _PART.findall(words))
    before = () if is_young else _WORDED_BEFORE.get(entry.kind, ())
    said = [_sentence(each, entry, write) for each in (words, *before) for write in (name_apart, str)]
    return list(dict.fromkeys(said))  # once names were written as they are


_PART = re.compile(r"\[([^\]]*)\]")


def _sentence(words: str, entry: AuditEntry, write: Callable[[str], str]) -> str:
    said = _PART.sub(lambda found: found[1] if _is_said(found[1], entry) else "", words)
    names = {name: write(str(value)) for name, value in entry.details.items()}
    return said.format_map(_Names({"actor": "The hub", **names}))


def _is_said(part: str, entry: AuditEntry) -> bool:
    names = [name for _, name, _, _ in Formatter().parse(part) if name]
    return all(entry.details.get(name) for name in names)


class _Names(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "somebody" if key in ("actor", "person") else "?"


def audit_list(household: Household) -> models.QuerySet[AuditEntry]:
    """Newest first."""
    return AuditEntry.objects.filter(household=household).order_by("-number")
