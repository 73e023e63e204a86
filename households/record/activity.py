"""The record of a household, as its owners read it: by group of things, by person, page by page."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from django.core.cache import cache
from django.db.models import Q, QuerySet

from common.clock import now
from households.models import AuditEntry, AuditHead, Household
from households.record.audit import AuditKind, audit_list, audit_sentence
from households.record.chain import AuditCheck, AuditProblem, audit_check

PAGE_SIZE = 50
CHECK_KNOWN_S = 60
# More than these take longer than somebody who opens a page should wait.
CHECKED_AT_ONCE = 1000


class Group(StrEnum):
    PEOPLE = "people"  # and the household itself: whatever stands in no other group
    DEVICES = "devices"
    RECORDINGS = "recordings"
    SIGN_INS = "sign-ins"


_K = AuditKind
_KINDS: dict[Group, frozenset[str]] = {
    Group.DEVICES: frozenset(
        {
            _K.CLAIMED,
            _K.CLAIM_REFUSED,
            _K.CLAIM_GUESSED,
            _K.RENAMED,
            _K.MOVED,
            _K.ANSWERING_CHANGED,
            _K.RENEWED,
            _K.KEY_ASKED,
            _K.KEY_CHANGED,
        }
        | {
            _K.DEVICE_TOKEN_MADE,
            _K.UNCLAIMED,
            _K.GIVEN,
            _K.GIVING_CANCELLED,
            _K.WENT,
            _K.TAKEN,
            _K.TAKING_ENDED,
            _K.LENT,
            _K.LOAN_ENDED,
        }
        | {_K.ROOM_RENAMED, _K.ROOM_REMOVED}
        | {_K.RULE_CHANGED, _K.FINGERPRINT_REFUSED, _K.ANSWER_REFUSED, _K.MESSAGE_REFUSED}
    ),
    Group.RECORDINGS: frozenset({_K.RECORDING_PLAYED, _K.RECORDING_DOWNLOADED, _K.CONSENTED}),
    Group.SIGN_INS: frozenset(
        {_K.SIGNED_IN, _K.SIGN_IN_REFUSED, _K.SIGN_IN_STOPPED, _K.SESSION_ENDED, _K.PASSWORD_CHANGED}
        | {_K.SECOND_FACTOR_CHANGED, _K.SECOND_FACTOR_REMOVED}
        | {_K.RECOVERY_CODE_USED, _K.PASSKEY_RENAMED}
        | {_K.PASSWORD_ASKED, _K.PASSWORD_LINK_MADE, _K.PASSWORD_RESET}
        | {_K.TOKEN_MADE, _K.TOKEN_REVOKED, _K.TOKENS_ENDED}
    ),
}
# The person of these may be a name that somebody typed, of one who never came.
_TYPED = frozenset({_K.INVITED, _K.INVITATION_REVOKED, _K.JOINED, _K.LENT, _K.LOAN_ENDED})
_NOBODY_NAMED = "somebody"
ICONS = {
    Group.PEOPLE: "users",
    Group.DEVICES: "speaker",
    Group.RECORDINGS: "audio-lines",
    Group.SIGN_INS: "lock",
}
_WARNINGS = frozenset(
    {
        _K.SIGN_IN_REFUSED,
        _K.SIGN_IN_STOPPED,
        _K.CLAIM_REFUSED,
        _K.CLAIM_GUESSED,
        _K.FINGERPRINT_REFUSED,
        _K.ANSWER_REFUSED,
        _K.MESSAGE_REFUSED,
    }
)


@dataclass(frozen=True)
class Line:
    """An entry as the page shows it. `is_warning`: somebody tried what they may not."""

    entry: AuditEntry
    sentence: str
    icon: str
    is_warning: bool


@dataclass(frozen=True)
class Page:
    """`before`: with which number the next page begins below; None at the end. `above`: the entry before the first."""

    lines: list[Line]
    before: int | None
    above: AuditEntry | None


def group_of(kind: str) -> Group:
    return next((group for group, kinds in _KINDS.items() if kind in kinds), Group.PEOPLE)


def activity_page(
    household: Household, *, group: str = "", name: str = "", before: int | None = None
) -> Page:
    """Newest first."""
    rows = activity_rows(household, group, name)
    above = rows.filter(number__gte=before).last() if before else None
    found = list((rows.filter(number__lt=before) if before else rows)[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    return Page(
        [_line(entry) for entry in shown], shown[-1].number if len(found) > PAGE_SIZE else None, above
    )


def activity_names(household: Household) -> list[str]:
    """Everybody who did something or to whom something was done, also who left long ago."""
    rows = audit_list(household).order_by()
    actors = rows.values_list("details__actor", flat=True).distinct()
    persons = rows.exclude(kind__in=_TYPED).values_list("details__person", flat=True).distinct()
    found = {str(name) for name in (*actors, *persons) if name}
    return sorted(found - {_NOBODY_NAMED}, key=str.casefold)


def record_check(household: Household) -> AuditCheck | None:
    """Whether the record is whole, as of a minute ago at most. None: that takes too long here; `record_check_asked`.

    Raises redis.RedisError.
    """
    key = f"audit-check:{household.pk}"
    if (known := _check_known(cache.get(key), household)) is not None:
        return known
    head = AuditHead.objects.filter(household=household).first()
    if head is not None and head.number > CHECKED_AT_ONCE:
        return None
    return record_check_keep(household)


def record_check_asked(household: Household) -> bool:
    """True once a minute: whoever gets it has the record looked at elsewhere."""
    return cache.add(f"audit-check:{household.pk}:asked", 1, timeout=CHECK_KNOWN_S)


def record_check_keep(household: Household) -> AuditCheck:
    found = audit_check(household)
    told = asdict(found) | {"household": household.pk, "until": now().timestamp() + CHECK_KNOWN_S}
    cache.set(f"audit-check:{household.pk}", told, timeout=CHECK_KNOWN_S)
    return found


def _check_known(told: Any, household: Household) -> AuditCheck | None:
    """Whoever can write to Redis may put back what the hub once wrote there, also for another household."""
    if told is None or told["household"] != household.pk or told["until"] <= now().timestamp():
        return None
    problem = AuditProblem(told["problem"]) if told["problem"] else None
    return AuditCheck(told["count"], told["broken_at"], problem)


def activity_rows(household: Household, group: str, name: str) -> QuerySet[AuditEntry]:
    """Newest first."""
    rows = audit_list(household)
    if group == Group.PEOPLE:
        rows = rows.exclude(kind__in=frozenset().union(*_KINDS.values()))
    elif group in set(Group):
        rows = rows.filter(kind__in=_KINDS[Group(group)])
    return rows.filter(Q(details__actor=name) | Q(details__person=name)) if name else rows


def is_warning(kind: str) -> bool:
    """Somebody tried what they may not."""
    return kind in _WARNINGS


def _line(entry: AuditEntry) -> Line:
    is_refused = is_warning(entry.kind)
    icon = "triangle-alert" if is_refused else ICONS[group_of(entry.kind)]
    return Line(entry, audit_sentence(entry), icon, is_refused)
