"""Redis away: pushes and tasks are lost, nothing else is."""

import asyncio
import time
import uuid
from pathlib import Path

import pytest
import redis
from celery import Celery
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from django.core.cache.backends.redis import RedisCache

from common import limits
from common import push as push_module
from common import redis as redis_module
from common.errors import Unavailable
from common.limits import limit_hit
from common.push import apush, push, push_channel
from common.redis import DOUBTED_FOR_S, Doubt, DoubtedError, HastyRedis
from common.tasks import delay_now
from protocol.messages.calls import CallMoved
from tests.network.stalls import Stalls

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


def test_a_question_without_an_answer_spares_the_next_ones_for_a_moment() -> None:
    now_s = 100.0
    doubt = Doubt(clock=lambda: now_s)
    doubt.note(redis.ResponseError("no such command"))
    doubt.check()
    doubt.note(redis.TimeoutError("hangs"))
    with pytest.raises(DoubtedError) as caught:
        doubt.check()
    now_s += DOUBTED_FOR_S / 2
    doubt.note(caught.value)  # nobody was asked, so nothing is known anew
    now_s += DOUBTED_FOR_S / 2
    doubt.check()


async def test_a_redis_that_hangs_holds_a_hundred_pushes_and_counts_up_for_two_seconds_at_most(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It accepts, as the kernel does for a stopped process, and never says a word."""
    away, url = Doubt(), f"unix://{tmp_path}/s?db=0"
    for module in (push_module, redis_module):
        monkeypatch.setattr(module, "doubt", away)

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(nothing, tmp_path / "s"):
        layer = RedisPubSubChannelLayer(hosts=[{"address": url} | settings.REDIS_LIMITS])
        monkeypatch.setattr(push_module, "get_channel_layer", lambda: layer)
        began_s = time.monotonic()
        async with Stalls() as stalls:
            for _ in range(100):
                await apush("household.x", CallMoved(call_id=uuid.uuid4()))
            hasty = HastyRedis.from_url(url, **settings.REDIS_LIMITS)
            for _ in range(100):
                with pytest.raises(redis.RedisError):
                    await asyncio.to_thread(hasty.get, "x")
            took_s = time.monotonic() - began_s
        assert took_s < 2.9 + stalls.total_s
        hasty.close()
        await layer.flush()
