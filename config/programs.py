"""The command lines of the hub's processes. `docker/entrypoint` runs the same ones; a test compares them."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.network import LOOPBACK_HOSTS
from common.processes import without_secrets
from config.env import BASE_DIR

ROOT_WARNING = "You're running the worker with superuser privileges"


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process that the supervisor keeps running."""

    name: str
    command: tuple[str, ...]
    sees_secrets: bool = True
    is_first: bool = (
        False  # the rest starts when the web answers, so that a small machine shows the page soon
    )
    is_last: bool = False  # ends after the rest, so that pages and devices still hear how their calls ended
    environment: Mapping[str, str] = field(default_factory=dict)

    def environment_from(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base`, less the hub's own settings where this program is none of the hub's."""
        kept = dict(base) if self.sees_secrets else without_secrets(base)
        return kept | {"PYTHONUNBUFFERED": "1"} | dict(self.environment)


def _python(*words: str) -> tuple[str, ...]:
    return (sys.executable, *words)


def _celery(*words: str) -> tuple[str, ...]:
    # Quiet about root, as which it runs on some small servers: it takes JSON only, so the danger is not there.
    return _python("-W", f"ignore:{ROOT_WARNING}", "-m", "celery", "--quiet", "-A", "config", *words)


def _worker(name: str, queues: str, *, pool: str = "prefork", concurrency: int = 1) -> tuple[str, ...]:
    return _celery(
        "worker", "--hostname", f"{name}@%h", "--queues", queues,
        "--pool", pool, "--concurrency", str(concurrency),
        "--loglevel", "WARNING", "--without-gossip", "--without-mingle",
    )  # fmt: skip


def web(host: str, port: int) -> Program:
    return Program(
        name="web",
        is_first=True,
        is_last=True,
        command=_python("-m", "daphne", "-b", host, "-p", str(port), "-v", "0", "config.asgi:application"),
        environment={"HUB_LOCAL_ONLY": "1"} if host in LOOPBACK_HOSTS else {},
    )


def hub_programs(*, host: str, port: int) -> list[Program]:
    """web, media, three task workers and beat.

    Long transcripts must not delay an announcement, and neither may wait for the download of a model,
    so each queue has a worker of its own. Transcripts give way to calls, too. Chores wait for disks and networks:
    threads are enough.
    """
    return [
        web(host, port),
        Program(
            name="media",
            command=_python("-m", "media"),
            is_first=True,
            environment={"HUB_MEDIA_MAY_LOOPBACK": "1"} if host in LOOPBACK_HOSTS else {},
        ),
        Program(name="speech", command=_worker("speech", "tts")),
        Program(name="words", command=_worker("words", "stt"), environment={"HUB_NICE": "5"}),
        Program(name="chores", command=_worker("chores", "default", pool="threads", concurrency=4)),
        Program(
            name="beat",
            command=_celery(
                "beat", "--loglevel", "WARNING", "--pidfile=",
                "--scheduler", "django_celery_beat.schedulers:DatabaseScheduler",
            ),
        ),
    ]  # fmt: skip


def demo_device(*, hub_url: str, data_dir: Path, qr_hub_url: str | None = None) -> Program:
    """A simulated device: `manage.py demo_device` makes its voice and then becomes `python -m agent`."""
    phones = ("--qr-hub", qr_hub_url) if qr_hub_url else ()
    return Program(
        name="device",
        is_last=True,
        command=_python(
            str(BASE_DIR / "manage.py"), "demo_device", "--hub", hub_url, "--data-dir", str(data_dir), *phones
        ),
    )


def demo_agent(*, hub_url: str, data_dir: Path, microphone: Path, qr_hub_url: str | None = None) -> Program:
    """It says the clip `microphone` over and over, and writes what it hears to a file."""
    phones = ("--qr-hub", qr_hub_url) if qr_hub_url else ()
    return Program(
        name="device",
        command=_python(
            "-m", "agent", "--hub", hub_url, "--data-dir", str(data_dir), "--model", "Demo speaker",
            "--serial", "DEMO-1", "--microphone", f"file:{microphone}?loop",
            "--speaker", f"file:{data_dir / 'speaker.wav'}", *phones,
        ),
        sees_secrets=False,
    )  # fmt: skip
