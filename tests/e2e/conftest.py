"""A real Chromium, and pages of Anna's household served by Django."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.fakes.browser_hub import FakeHub
from tests.plugin_cast import Cast

# What is waited for comes at once or not at all; a busy computer may need this long for "at once".
expect.set_options(timeout=15_000)
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--no-sandbox",
    "--disable-background-networking",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for each module: while it lives, Playwright's loop runs in this thread, and no other loop may."""
    # Django would refuse every query because of that loop.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(autouse=True)
def pushes_by_another_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test does to rows is pushed, and in this thread runs Playwright's loop."""
    from common import push

    with ThreadPoolExecutor(max_workers=1) as thread:
        send = push._send
        monkeypatch.setattr(
            push, "_send", lambda group, **event: thread.submit(send, group, **event).result()
        )
        yield


@pytest.fixture
def context(chromium: Browser, live_server: LiveServer) -> Iterator[BrowserContext]:
    """A fresh profile that may use the microphone. Fails the test on any script error."""
    context = chromium.new_context(
        base_url=live_server.url, permissions=["microphone"], timezone_id="Europe/Berlin", locale="en-GB"
    )
    errors: list[str] = []
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context
    context.close()
    assert errors == []


@pytest.fixture
def stranger(context: BrowserContext) -> Page:
    """A page of somebody who has not signed in."""
    page = context.new_page()
    page.set_default_timeout(10_000)
    return page


@pytest.fixture
def page(stranger: Page, context: BrowserContext, live_server: LiveServer, cast: Cast) -> Page:
    """Anna's page. Her session is made without the form, which has a test of its own."""
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(cast.anna.user, backend=settings.AUTHENTICATION_BACKENDS[0])
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    return stranger


@pytest.fixture
def fake_hub(page: Page) -> FakeHub:
    """What Anna's page is connected to."""
    return FakeHub(page)


@pytest.fixture
def screen(page: Page, fake_hub: FakeHub, cast: Cast) -> Page:
    """The call page of Anna's kitchen, before anything was pressed."""
    page.goto(reverse("devices:call", args=[cast.kitchen.public_id]))
    return page
