"""How good each end of a call is while it lasts, told when it changes. What is known of it lives in Redis."""

import json

from redis.exceptions import RedisError

from calls.models import Call, CallParticipant, Measurer, ParticipantRole
from calls.pushes import call_push
from common.redis import redis_hasty
from protocol.messages.calls import CallState
from protocol.messages.statistics import CallQuality, EndQuality
from protocol.quality import Bars, word_for

QUALITY_KEPT_S = 3600
_PREFIX = "call:quality:"


def quality_tell(*, leg: CallParticipant, measurer: Measurer, bars: Bars | None, lost: float) -> None:
    """Remember what one side says of this end, and push the bars of all ends when they changed.

    Without Redis nobody is told, and nothing else suffers.
    """
    try:
        changed = _remember(leg, measurer, bars, lost)
    except RedisError:
        return
    if Call.objects.filter(pk=leg.call.pk, state=CallState.ENDED).exists():
        quality_forget(leg.call)  # it ended meanwhile, and its bars may have been forgotten before these came
    elif changed is not None:
        call_push(leg.call, changed)


def quality_forget(call: Call) -> None:
    """The call is over. Without Redis the bars go by themselves, in an hour."""
    try:
        redis_hasty().delete(_key(call))
    except RedisError:
        return


def quality_get(call: Call) -> CallQuality | None:
    """The bars as they are now. None: nothing is known yet."""
    try:
        known = _known(call)
    except RedisError:
        return None
    message = _message(call, known)
    return message if message.ends else None


def lost_by_others(leg: CallParticipant) -> float:
    """What the hub missed of the other end: in a forwarded call this end misses it too, and is not the cause."""
    other = ParticipantRole.CALLEE if leg.role == ParticipantRole.CALLER else ParticipantRole.CALLER
    try:
        said = redis_hasty().hget(_key(leg.call), f"{other} {Measurer.HUB}")
    except RedisError:
        return 0.0
    return float(json.loads(str(said))[1]) if said else 0.0


def _remember(leg: CallParticipant, measurer: Measurer, bars: Bars | None, lost: float) -> CallQuality | None:
    redis, key = redis_hasty(), _key(leg.call)
    before = _message(leg.call, _known(leg.call))
    redis.hset(key, f"{leg.role} {measurer}", json.dumps([bars, round(lost, 4)]))
    redis.expire(key, QUALITY_KEPT_S)
    after = _message(leg.call, _known(leg.call))
    return after if after != before else None


def _known(call: Call) -> dict[str, str]:
    return {str(name): str(value) for name, value in redis_hasty().hgetall(_key(call)).items()}


def _message(call: Call, known: dict[str, str]) -> CallQuality:
    """Each end is as good as the worse of its two directions."""
    ends = []
    for role in (ParticipantRole.CALLER, ParticipantRole.CALLEE):
        said = [json.loads(known[name])[0] for side in Measurer if (name := f"{role} {side}") in known]
        bars = [Bars(number) for number in said if number is not None]
        if bars:
            ends.append(EndQuality(role=role.value, bars=min(bars), quality=word_for(min(bars))))
    return CallQuality(call_id=call.public_id, ends=ends)


def _key(call: Call) -> str:
    return f"{_PREFIX}{call.public_id}"
