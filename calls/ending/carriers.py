"""Which session or token carries a person's end of a call. When it lets nobody in any more, the call ends.

The page may have closed its socket and go on sending, so what counts is the row, and not who listens.
"""

from datetime import timedelta

import structlog
from django.db import DatabaseError
from django.db.models import QuerySet
from django_scopes import scopes_disabled

from calls.ending.services import call_end
from calls.models import CallParticipant
from calls.state import LIVE_STATES
from common.clock import now
from common.errors import NotSignedIn
from households.accounts.credentials import Credential, credential_user
from households.models import User

_SIGNED_OUT = "was signed out."
_JUST_NOW = timedelta(seconds=10)
log = structlog.get_logger(__name__)


def leg_carry(*, leg: CallParticipant, by: Credential) -> None:
    """The page that was let in by this one called, or made the newest offer."""
    if leg.carried_by != str(by):
        CallParticipant.objects.filter(pk=leg.pk).update(carried_by=str(by))


def carrier_rename(*, before: Credential, after: Credential) -> None:
    """The same page, let in by the same session under another name."""
    with scopes_disabled():
        CallParticipant.objects.filter(carried_by=str(before)).update(carried_by=str(after))


def carrier_hold(*, by: Credential, user: User) -> None:
    """Once the row says who carries the call. Raises NotSignedIn.

    Whoever was signed out in this same moment was looked for before the row said it; now one of the two has seen it.
    """
    if credential_user(by) != user:
        calls_uncarried_end(user=user)
        raise NotSignedIn("You were signed out.")


def calls_uncarried_end(*, user: User | None = None) -> int:
    """End the calls of this person, or of everybody, whose page nothing lets in any more. Returns how many."""
    with scopes_disabled():  # somebody who signs out does so in every household of theirs
        return sum(_leg_end(leg) for leg in _legs_carried(user))


def carried_call_ended(*, by: Credential) -> bool:
    """Whether a call that this carried ended just now, such as with it."""
    with scopes_disabled():  # whoever was let in by it may belong nowhere any more
        ended = CallParticipant.objects.filter(carried_by=str(by), call__ended_at__gt=now() - _JUST_NOW)
        return ended.filter(call__reason__endswith=_SIGNED_OUT).exists()


def _legs_carried(user: User | None) -> QuerySet[CallParticipant]:
    legs = CallParticipant.objects.filter(call__state__in=LIVE_STATES).exclude(carried_by="")
    if user is not None:
        legs = legs.filter(user=user)
    return legs.select_related("call__device", "call__household", "call__started_by", "user")


def _leg_end(leg: CallParticipant) -> bool:
    """Whether nothing lets its page in any more."""
    if leg.user is not None and credential_user(Credential.parse(leg.carried_by)) == leg.user:
        return False
    call_end(call=leg.call, by=leg, reason=f"{leg.display_name} {_SIGNED_OUT}")
    return True


def calls_uncarried_end_safely(*, user: User) -> None:
    """After a commit, where nothing can be undone and the request goes on; what fails here, the sweep does."""
    try:
        calls_uncarried_end(user=user)
    except DatabaseError:
        log.exception("the calls of somebody who was signed out could not be ended")
