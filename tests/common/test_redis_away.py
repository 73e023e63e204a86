"""Redis away: pushes and tasks are lost, nothing else is."""

import uuid

import pytest
from celery import Celery
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.core.cache.backends.redis import RedisCache

from common import limits
from common import push as push_module
from common.errors import Unavailable
from common.limits import limit_hit
from common.push import push, push_channel
from common.tasks import delay_now
from protocol.messages import CallMoved

pytestmark = pytest.mark.unit

NOBODY = "redis://127.0.0.1:1/0"


def test_a_push_that_nobody_takes_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = RedisPubSubChannelLayer(hosts=[{"address": NOBODY}])
    monkeypatch.setattr(push_module, "get_channel_layer", lambda: layer)
    words: list[str] = []
    monkeypatch.setattr(push_module.log, "warning", lambda text, **_: words.append(text))
    push("household.x", CallMoved(call_id=uuid.uuid4()))
    push_channel("specific.x", CallMoved(call_id=uuid.uuid4()))
    assert words == ["push was lost: Redis is away", "answer was lost: Redis is away"]


def test_a_task_that_no_broker_takes_is_reported_and_not_raised() -> None:
    app = Celery("elsewhere", broker=NOBODY, set_as_current=False)

    def nothing() -> None:
        """Never runs."""

    try:
        assert delay_now(app.task(nothing)) is False
    finally:
        app.close()


def test_what_is_counted_may_not_be_tried_uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    away = RedisCache(NOBODY, {})
    monkeypatch.setattr(limits, "cache", away)
    with pytest.raises(Unavailable, match="Try again in a moment"):
        limit_hit("claim", most=5, per_s=60, message="Too many.")
