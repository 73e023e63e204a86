"""Who heard a recording, for the record of the household."""

from django.core.cache import cache
from redis.exceptions import RedisError

from calls.models import Call
from common.words import moment_words
from households.models import User
from households.record.audit import AuditKind, audit_note

ONCE_IN_S = 3600  # a player asks for many parts of one recording


def recording_note(*, call: Call, user: User, is_download: bool) -> None:
    """Once an hour for each person and call. Rather twice than not at all, while Redis is away."""
    kind = AuditKind.RECORDING_DOWNLOADED if is_download else AuditKind.RECORDING_PLAYED
    try:
        is_new = cache.add(f"{kind}:{call.pk}:{user.pk}", 1, timeout=ONCE_IN_S)
    except (RedisError, OSError):
        is_new = True
    if is_new:
        began = moment_words(call.created_at, call.household.time_zone)
        details = {"device": call.device, "call": call.public_id, "caller": call.started_by, "began": began}
        audit_note(call.household, kind, actor=user, **details)
