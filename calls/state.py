"""The only judge of what a call may become. A move is one conditional update: of two at once, one wins."""

from typing import Any

from calls.models import Call
from protocol.messages.calls import CallState

_S = CallState
TRANSITIONS: dict[CallState, frozenset[CallState]] = {
    _S.CALLING: frozenset({_S.RINGING, _S.CONNECTING, _S.ENDED}),
    _S.RINGING: frozenset({_S.CONNECTING, _S.ENDED}),
    _S.CONNECTING: frozenset({_S.CONNECTED, _S.ENDED}),
    _S.CONNECTED: frozenset({_S.ENDED}),
    _S.ENDED: frozenset(),
}
LIVE_STATES = tuple(state for state in CallState if state is not CallState.ENDED)


def may_move(current: CallState, to: CallState) -> bool:
    return to in TRANSITIONS[current]


def call_move(call: Call, to: CallState, **fields: Any) -> bool:
    """Move the row if its state allows it now. False: it does not, and nothing changed. Refreshes `call`."""
    sources = [state for state in CallState if may_move(state, to)]
    moved = Call.objects.filter(pk=call.pk, state__in=sources).update(state=to, **fields)
    call.refresh_from_db()
    return bool(moved)
