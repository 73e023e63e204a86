"""How the hub is, in words for somebody who did not build it."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from calls.workers.placement import Worker, worker_list
from common.clock import now
from common.redis import redis_get
from common.speech_models import (
    CatalogueModel,
    InstalledModel,
    Kind,
    Progress,
    catalogue_model,
    chosen,
    installed,
    model_offers,
    progress_queue,
    progress_read,
)
from common.speech_models.errors import SpeechModelError
from common.tasks import delay_on_commit, speech_model_download_task
from common.words import size_words
from config.celery import app
from config.failures import past_failures
from config.second_wall import second_wall_problem
from households.access import member_of, need
from households.roles import Permission
from households.selectors import household_list

QUEUES = {"stt": "to write down", "tts": "to speak", "default": "other"}
HELPERS = "Helpers that speak and write"
TASKS_ANSWER_WITHIN_S = 0.5
# What the recordings of a two-party call take: two Opus tracks and the listening copy.
BYTES_PER_CALL_HOUR = 75_000_000
LITTLE_BYTES = 1_000_000_000
STARTING = "Still starting."
STARTS_WITHIN_S = 90.0
MAKE_ROOM = "Make room on this disk: when it is full, nothing more is recorded."
RESTART = "It starts again by itself; if it does not, restart the hub."
NO_CALLS = f"What carries the audio is not running, so no call can be made. {RESTART}"
_BEGAN_S = time.monotonic()  # the web process is the first of the hub to start


@dataclass(frozen=True)
class Part:
    """One part of the hub. `words`: how it is, and what to do where it is not well. `lines`: more of it."""

    name: str
    symbol: str
    is_ok: bool
    words: str
    is_starting: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A speech model. `is_in_use`: it is the one that serves."""

    model: InstalledModel
    is_in_use: bool

    @property
    def is_voice(self) -> bool:
        return self.model.manifest.kind == Kind.VOICE


@dataclass(frozen=True)
class Download:
    """A download that runs, waits, or failed."""

    progress: Progress

    @property
    def name(self) -> str:
        return catalogue_model(self.progress.model_id).name

    @property
    def changed_at(self) -> datetime:
        return datetime.fromtimestamp(self.progress.updated_at_s, tz=UTC)


@login_required
@require_GET
def status(request: HttpRequest) -> HttpResponse:
    """htmx asks for the body alone, every few seconds."""
    need(member_of(request), Permission.DEVICES_MANAGE)
    template = "config/_status.html" if request.headers.get("HX-Request") else "config/status.html"
    return render(request, template, _context(request))


@login_required
@require_http_methods(["GET", "POST"])
def model_download(request: HttpRequest, model_id: str) -> HttpResponse:
    """Fetch a model in the background. The page shows how far it is."""
    need(member_of(request), Permission.HOUSEHOLD_MANAGE)
    if request.method == "GET":
        return redirect("status")
    model = catalogue_model(model_id)
    progress_queue(model, now().timestamp())
    delay_on_commit(speech_model_download_task, model.id)
    return redirect("status")


def _context(request: HttpRequest) -> dict[str, object]:
    language = member_of(request).household.language
    return {
        "parts": parts(),
        "failures": past_failures(),
        "models": models(),
        "downloads": downloads(),
        "offers": offers(language),
    }


def offers(language: str) -> list[CatalogueModel]:
    """What is usual for the language, and neither here nor on its way."""
    there = {model.id for model in installed()}
    begun = {download.progress.model_id for download in downloads()}
    return [model for model in model_offers(language) if model.id not in there | begun]


def parts() -> list[Part]:
    """Where several homes share a hub, nobody sees here how busy the others are."""
    is_shared = _is_shared()
    return [
        Part("Web", "globe", True, "It answers: you are reading this."),
        _media(is_shared=is_shared),
        _tasks(),
        *_queues(is_shared=is_shared),
        *_database(),
        _disk(),
    ]


def models() -> list[Model]:
    in_use = set()
    for kind in Kind:
        try:
            in_use.add(chosen(kind).id)
        except SpeechModelError:
            continue
    return [Model(model, model.id in in_use) for model in installed()]


def downloads() -> list[Download]:
    """Those that are not finished."""
    found = progress_read(now().timestamp())
    return [Download(progress) for progress in found if progress.state != "ready"]


def _is_shared() -> bool:
    return household_list().count() > 1


def _is_starting() -> bool:
    return time.monotonic() - _BEGAN_S < STARTS_WITHIN_S


def _media(*, is_shared: bool) -> Part:
    try:
        workers = worker_list()
    except RedisError:
        workers = []
    if not workers and _is_starting():
        return Part("Calls", "audio-lines", False, STARTING, is_starting=True)
    if not workers:
        return Part("Calls", "audio-lines", False, NO_CALLS)
    legs = sum(worker.leg_count for worker in workers)
    now_words = "1 device or browser is" if legs == 1 else f"{legs or 'No'} devices and browsers are"
    words = "Ready." if is_shared else f"Ready. {now_words} connected for sound right now."
    return Part("Calls", "audio-lines", True, words, lines=tuple(_hosts(workers, is_shared=is_shared)))


def _hosts(workers: list[Worker], *, is_shared: bool) -> Iterator[str]:
    """A sentence for each computer with media workers. A call that moves is with two of them for a moment."""
    for host in sorted({worker.host for worker in workers}):
        there = [worker for worker in workers if worker.host == host]
        calls = len({call_id for worker in there for call_id in worker.call_ids})
        stopping = sum(worker.is_draining for worker in there)
        who = "1 media worker" if len(there) == 1 else f"{len(there)} media workers"
        what = "" if is_shared else ", 1 call" if calls == 1 else f", {calls or 'no'} calls"
        last = f"; {stopping} {'is' if stopping == 1 else 'are'} about to stop" if stopping else ""
        yield f"{host or 'A computer'}: {who}{what}{last}."


def _tasks() -> Part:
    try:
        answers = app.control.ping(timeout=TASKS_ANSWER_WITHIN_S)
    except (OperationalError, RedisError, OSError):
        answers = []
    if not answers and _is_starting():
        return Part(HELPERS, "server", False, STARTING, is_starting=True)
    if not answers:
        words = f"None answered just now. One that writes a long transcript is slow. {RESTART}"
        return Part(HELPERS, "server", False, words)
    return Part(HELPERS, "server", True, f"Ready: {len(answers)} at work.")


def _queues(*, is_shared: bool) -> list[Part]:
    try:
        lengths = {queue: int(redis_get().llen(queue)) for queue in QUEUES}
    except RedisError:
        return [
            Part("Waiting work", "database", False, f"What keeps the work in line does not answer. {RESTART}")
        ]
    if is_shared:
        return [Part("Waiting work", "database", True, "What keeps it in line answers.")]
    waiting = ", ".join(f"{lengths[queue]} {words}" for queue, words in QUEUES.items() if lengths[queue])
    return [Part("Waiting work", "database", True, f"{waiting}." if waiting else "Nothing waits.")]


def _database() -> list[Part]:
    """Nothing to say where all is well."""
    problem = second_wall_problem()
    return [Part("Database", "database", False, problem)] if problem else []


def _disk() -> Part:
    folder = Path(settings.DATA_DIR)
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free
    hours = free // BYTES_PER_CALL_HOUR
    words = f"{size_words(free)} left, about {hours} hours of recorded calls."
    is_enough = free > LITTLE_BYTES
    return Part("Disk", "hard-drive", is_enough, words if is_enough else f"{words} {MAKE_ROOM}")
