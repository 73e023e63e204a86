"""The hub's web service alone, as several processes over one database, and people who are signed in to it."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from households.models import User

ROOT: Final = Path(__file__).parents[2]
_STARTS_WITHIN_S: Final = 90.0
_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Service:
    """Addresses of web processes that share PostgreSQL and Valkey."""

    urls: tuple[str, ...]

    def person(self, user: "User", *, at: int = 0) -> httpx.Client:
        """A browser of this person, signed in, at one of the processes."""
        from django.conf import settings
        from django.test import Client

        browser, token = Client(), secrets.token_hex(16)
        browser.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
        name = settings.SESSION_COOKIE_NAME
        cookies = {name: browser.cookies[name].value, settings.CSRF_COOKIE_NAME: token}
        return self._client(at, cookies=cookies, headers={"X-CSRFToken": token})

    def device(self, *, at: int = 0) -> httpx.Client:
        """Somebody who has nothing to show."""
        return self._client(at)

    def _client(
        self, at: int, *, cookies: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Client:
        url = self.urls[at % len(self.urls)]
        return httpx.Client(
            base_url=url, cookies=cookies, headers=headers, timeout=_TIMEOUT_S, trust_env=False
        )


@contextmanager
def service_open(*, processes: int) -> Iterator[Service]:
    """In a data folder of its own. Django is set up for this process, too. Once in a process."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hearthline-safety-")))
        for name in ("DATABASE_URL", "REDIS_URL", "HUB_URL"):
            os.environ.pop(name, None)
        os.environ |= {"HUB_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings.test"}
        from config.embedded import embedded_start

        stack.callback(embedded_start(folder).stop)
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        urls = tuple(stack.enter_context(_web()) for _ in range(processes))
        yield Service(urls)
        from django.db import connections

        connections.close_all()


@contextmanager
def _web() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["-b", "127.0.0.1", "-p", str(port), "-v", "0", "config.asgi:application"]
    # Its lines about refused requests are not what is measured.
    process = subprocess.Popen(
        [sys.executable, "-m", "daphne", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline_s = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline_s and process.poll() is None:
        try:
            if httpx.get(f"{url}/healthz", trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError("the web service did not start")
