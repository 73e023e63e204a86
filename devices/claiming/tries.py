"""How often somebody may bring a wrong code.

A try is taken before anything is looked up and given back if the code was right, so that many tries at once are no
more than the limit lets through. What is counted is the person and the hub, never an address, which can be forged.
"""

from django.conf import settings

from common import limits
from common.errors import NotFound, TooMany, Unavailable
from common.limits import Try, again_s, tries_left_words
from households.models import Membership
from households.record.audit import AuditKind, audit_note

WINDOW_S = 900
TYPED_TRIES = 5
LINK_TRIES = 100  # its secret has 128 bits: the limit only keeps the database from being asked for ever
_SPENT = "Too many wrong codes. You can scan the code instead."
_WRONG = "No device waits with this code. Check it, or let the device show a new one."
_LINKS_SPENT = "Too many wrong links."


def try_take(membership: Membership, *, is_typed: bool) -> list[Try]:
    """Of the person first. Raises TooMany, and Unavailable while nothing can be counted."""
    words, taken = _SPENT if is_typed else _LINKS_SPENT, list[Try]()
    try:
        for key, most in _limits(membership, is_typed=is_typed):
            taken.append(limits.try_take(key, most=most, per_s=WINDOW_S, message=words))
    except (TooMany, Unavailable):
        try_return(taken)
        raise
    return taken


def try_return(taken: list[Try]) -> None:
    """The code was right."""
    for one in taken:
        one.give_back()


def try_failed(membership: Membership, taken: list[Try]) -> NotFound:
    """The code was wrong: what to tell the person. Whoever has no tries left then is noted, once in each quarter of an
    hour."""
    if taken[0].fail():
        _note(membership)
    return NotFound(" ".join(filter(None, [_WRONG, tries_left_words(*taken)])), retry_after_s=again_s(*taken))


def _note(membership: Membership) -> None:
    try:
        limits.try_take(f"claim-noted:{membership.user_id}", most=1, per_s=WINDOW_S, message="")
    except TooMany:
        return
    audit_note(membership.household, AuditKind.CLAIM_GUESSED, actor=membership.user)


def _limits(membership: Membership, *, is_typed: bool) -> list[tuple[str, int]]:
    """What is counted, and how often it may be wrong: one person, then everybody together."""
    person = membership.user_id
    if not is_typed:
        return [(f"claim-link:{person}", LINK_TRIES)]
    return [(f"claim:{person}", TYPED_TRIES), ("claim:all", settings.CLAIM_TRIES_PER_QUARTER_HOUR)]
