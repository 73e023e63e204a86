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
    ("It still rings when {} calls.", "It still rings when you call."),
    ("The connection to {} was lost ", "Your connection was lost "),
    ("{} was signed out.", "You were signed out."),
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
    """Why it ended. Of a row that went through calls_visible()."""
    name, device_name = (getattr(call, of, None) for of in ("caller_name", "device_name"))
    reason = call.reason
    if not is_of(call, membership) or not name or name == device_name:
        return reason
    for words, to_caller in _TO_CALLER:
        reason = reason.replace(words.format(name), to_caller)
    return reason
