"""The status page: what is missing is said, and what is there is named."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from calls.workers.placement import Worker, worker_goodbye, worker_heartbeat
from common.clock import now
from common.failures import MEDIA_WORKER, failure_note
from common.redis import redis_get
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def quick_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.status.TASKS_ANSWER_WITHIN_S", 0.05)


@pytest.fixture(autouse=True)
def nothing_failed() -> Iterator[None]:
    redis_get().delete("failures")
    yield
    redis_get().delete("failures")


def test_right_after_the_start_it_says_that_parts_are_starting(
    client: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.status.STARTS_WITHIN_S", float("inf"))
    client.force_login(cast.anna.user)
    page = client.get(reverse("status")).content.decode()
    assert page.count("Still starting.") == 2
    assert "Trouble" not in page


def test_it_says_what_does_not_run(client: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.status.STARTS_WITHIN_S", 0.0)
    client.force_login(cast.anna.user)
    page = client.get(reverse("status")).content.decode()
    assert "What carries the audio is not running, so no call can be made." in page
    assert "None answered just now." in page
    assert page.count("if it does not, restart the hub.") == 2
    assert page.count("Trouble") == 2
    assert "GB left" in page
    assert page.count("Demo quality") == 2


@pytest.fixture
def only_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody but Anna's home is on this hub."""
    monkeypatch.setattr("config.status._is_shared", lambda: False)


@pytest.mark.usefixtures("only_home")
def test_it_counts_the_media_workers(client: Client, cast: Cast) -> None:
    worker_heartbeat(worker_id="here-1", leg_count=4)
    client.force_login(cast.anna.user)
    part = client.get(reverse("status"), headers={"HX-Request": "true"}).content.decode()
    worker_goodbye(worker_id="here-1")
    assert "Ready. 4 devices and browsers are connected for sound right now." in part
    assert "<html" not in part


def test_nobody_sees_there_how_busy_another_home_of_the_hub_is(
    client: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = [Worker(worker_id="1", host="attic", call_ids=("a",), leg_count=2)]
    monkeypatch.setattr("config.status.worker_list", lambda: workers)
    client.force_login(cast.anna.user)
    quiet = client.get(reverse("status")).content.decode()
    assert "attic: 1 media worker." in quiet
    assert "connected for sound right now" not in quiet
    assert "Nothing waits" not in quiet


@pytest.mark.usefixtures("only_home")
def test_it_says_on_which_computers_the_media_workers_are_and_with_how_many_calls(
    client: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = [
        Worker(worker_id="1", host="kitchen-pi", call_ids=("a",)),
        Worker(worker_id="2", host="kitchen-pi", call_ids=("a", "b")),
        Worker(worker_id="3", host="attic", is_draining=True),
    ]
    monkeypatch.setattr("config.status.worker_list", lambda: workers)
    client.force_login(cast.anna.user)
    page = client.get(reverse("status")).content.decode()
    assert "attic: 1 media worker, no calls; 1 is about to stop." in page
    assert "kitchen-pi: 2 media workers, 2 calls." in page
    assert "Last 24 hours" not in page


def test_it_says_what_failed_and_came_back_since_yesterday(client: Client, cast: Cast) -> None:
    for hours in (3, 5):
        failure_note(part=MEDIA_WORKER, host="attic", at=now() - timedelta(hours=hours))
    failure_note(part=MEDIA_WORKER, host="cellar", at=now() - timedelta(hours=7), is_lost=True)
    failure_note(part="postgres", host="attic", at=now() - timedelta(hours=8))
    client.force_login(cast.anna.user)
    page = " ".join(client.get(reverse("status")).content.decode().split())
    assert "4 failures, the last one" in page
    assert "3 hours ago</time>." in page
    assert "A media worker on attic failed and was started again 2 times." in page
    assert "A media worker on cellar went away without a word." in page
    assert "The database on attic failed and was started again." in page


def test_a_child_does_not_look_after_the_hub(client: Client, cast: Cast) -> None:
    client.force_login(cast.ben.user)
    assert client.get(reverse("status")).status_code == 403
