"""Beat's work, and what the log keeps to itself."""

from typing import Any

import pytest
from django.conf import settings

from config.celery import app
from config.logs import hide_keys

pytestmark = pytest.mark.unit


def test_every_sweep_is_a_task_that_exists_expires_and_waits_behind_no_speech() -> None:
    app.loader.import_default_modules()
    sweeps: dict[str, Any] = settings.CELERY_BEAT_SCHEDULE
    for entry in sweeps.values():
        name = str(entry["task"])
        assert name in app.tasks
        assert app.amqp.router.route({}, name)["queue"].name == "default"
        assert 0 < entry["options"]["expire_seconds"] <= 60


def test_speech_has_queues_of_its_own() -> None:
    queues = {
        name: app.amqp.router.route({}, name)["queue"].name
        for name in ("transcripts.tasks.transcript_create_task", "announcements.tasks.clip_speak_task")
    }
    assert list(queues.values()) == ["stt", "tts"]


def test_the_log_of_a_failed_request_holds_no_token() -> None:
    event = hide_keys(None, "error", {"event": "request_failed", "request": "GET /setup/?token=canary"})
    assert event["request"] == "GET /setup/"


@pytest.mark.parametrize(
    "path", ["/accounts/password/reset/key/3-canary/", "/accounts/confirm-email/canary/"]
)
def test_the_log_of_a_failed_request_holds_no_key_of_a_link(path: str) -> None:
    lines = {"event": f"Internal Server Error: {path}", "request": f"GET {path}", "status": 500}
    event = hide_keys(None, "error", dict(lines))
    assert "canary" not in str(event)
    assert event["event"].startswith("Internal Server Error: /accounts/")
