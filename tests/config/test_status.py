"""The status page: what is missing is said, and what is there is named."""

import pytest
from django.test import Client
from django.urls import reverse

from calls.placement import worker_goodbye, worker_heartbeat
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def quick_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.status.TASKS_ANSWER_WITHIN_S", 0.05)


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


def test_it_counts_the_media_workers(client: Client, cast: Cast) -> None:
    worker_heartbeat(worker_id="here-1", leg_count=4)
    client.force_login(cast.anna.user)
    part = client.get(reverse("status"), headers={"HX-Request": "true"}).content.decode()
    worker_goodbye(worker_id="here-1")
    assert "Ready. 4 devices and browsers are connected for sound right now." in part
    assert "<html" not in part


def test_a_child_does_not_look_after_the_hub(client: Client, cast: Cast) -> None:
    client.force_login(cast.ben.user)
    assert client.get(reverse("status")).status_code == 403
