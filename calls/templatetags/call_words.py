"""A call in the words of whoever reads of it: its caller is "you"."""

from typing import Final

from django import template

from calls.models import Call
from households.models import Membership

register = template.Library()

# As calls.services, calls.ending.carriers and devices.sharing.ended write of the caller, for both ends;
# and to the caller.
_TO_CALLER: Final = (
    ("{} no longer belongs to ", "You no longer belong to "),
    (" is no longer lent to {}", " is no longer lent to you"),
    ("{} may no longer ", "You may no longer "),
    (" made {} a guest in ", " made you a guest in "),
    ("It still rings when {} calls.", "It still rings when you call."),
    ("The connection to {} was lost ", "Your connection was lost "),
    ("{} was signed out.", "You were signed out."),
)

# What was so when it was written, and may have changed since.
_PAST: Final = (
    (" no longer belongs to ", " no longer belonged to "),
    ("You no longer belong to ", "You no longer belonged to "),
    (" is no longer lent to ", " was no longer lent to "),
    ("You may no longer ", "You were no longer allowed to "),
    (" may no longer ", " was no longer allowed to "),
    ("It still rings when you call.", "It still rang when you called."),
)


@register.filter
def is_of(call: Call, membership: Membership) -> bool:
    """Whether the member made this call."""
    return call.started_by_id == membership.user_id


@register.filter
def caller_for(call: Call, membership: Membership) -> str:
    """Of a row that went through calls_visible()."""
    if is_of(call, membership):
        return "You"
    return getattr(call, "caller_name", None) or "Somebody"


@register.filter
def reason_for(call: Call, membership: Membership) -> str:
    """Why it ended, as what was. Of a row that went through calls_visible()."""
    reason = _to_caller(call) if is_of(call, membership) else call.reason
    for words, past in _PAST:
        reason = reason.replace(words, past)
    return reason


def _to_caller(call: Call) -> str:
    name, device_name = (getattr(call, of, None) for of in ("caller_name", "device_name"))
    reason = call.reason
    if not name or name == device_name:
        return reason
    for words, to_caller in _TO_CALLER:
        reason = reason.replace(words.format(name), to_caller)
    return reason
