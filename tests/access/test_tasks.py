"""Whose rows a Celery task sees: those of one household, or, where it says so, of all."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from django.apps import apps
from django.db import connection
from django_scopes import get_scope, scope, scopes_disabled
from django_scopes.exceptions import ScopeError

from announcements.models import Announcement, ClipState, SpeechClip
from announcements.tasks import announcement_speak_task
from calls import sweep
from calls.models import Call, Recording
from calls.sweep import calls_sweep
from common.clock import now
from common.database.base import rows_of_scope
from common.tasks import in_household_of, over_all_households
from config.celery import app
from config.open_tables import OPEN_TABLES
from devices.models import Device
from households.models import Household
from protocol.messages.calls import CallState
from tests.access.rows import rows_fill
from tests.plugin_cast import Cast
from transcripts.models import Transcript
from transcripts.tasks import transcript_create_task

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

R = TypeVar("R")
SWEEPS = {
    "announcements.tasks.announcements_sweep_task",
    "calls.tasks.calls_sweep_task",
    "calls.tasks.recordings_recover_task",
    "devices.tasks.authorizations_sweep_task",
    "devices.tasks.presence_sweep_task",
    "transcripts.tasks.transcripts_sweep_task",
}
WITHOUT_ROWS = {
    "common.tasks.speech_model_download_task",
    "transcripts.tasks.capture_transcribe_task",
}


def marks() -> dict[str, dict[str, Any]]:
    """What the decorators noted on each task of ours."""
    app.loader.import_default_modules()
    return {name: vars(task.run) for name, task in app.tasks.items() if not name.startswith("celery.")}


MODELS = sorted({str(noted["household_of"]) for noted in marks().values() if "household_of" in noted})


@pytest.fixture
def filled(cast: Cast) -> Cast:
    """One row of each kind in both households."""
    rows_fill(cast.anna, cast.kitchen)
    rows_fill(cast.carla, cast.cellar)
    return cast


def key_of(model: str, household: Household) -> int:
    with scopes_disabled():
        if model == household._meta.label:
            return household.pk
        key: int = apps.get_model(model)._base_manager.get(household=household).pk
        return key


def rows_seen() -> dict[str, int]:
    """How many in each table, asked without Django's managers."""
    tables = {model._meta.db_table for model in apps.get_models()} - set(OPEN_TABLES)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in tables))
        return dict(cursor.fetchall())


def done_as_task(run: Callable[[], R]) -> R:
    """What it returns as a Celery task of the hub that has no decorator."""
    task = app.task(name="tests.probe", lazy=False)(run)
    try:
        result: R = task()
        return result
    finally:
        app.tasks.pop("tests.probe")


def test_every_task_says_whose_rows_it_needs() -> None:
    """A new one is for one row, a sweep that is named here, or needs none."""
    assert {name for name, noted in marks().items() if "is_sweep" in noted} == SWEEPS
    silent = {name for name, noted in marks().items() if not {"is_sweep", "household_of"} & set(noted)}
    assert silent == WITHOUT_ROWS


def test_a_task_that_does_not_say_it_reads_no_rows(filled: Cast) -> None:
    with pytest.raises(ScopeError):
        done_as_task(Device.objects.count)
    assert set(done_as_task(rows_seen).values()) == {0}


@pytest.mark.parametrize("model", MODELS)
def test_a_task_for_one_row_sees_its_household_and_nothing_else(filled: Cast, model: str) -> None:
    @in_household_of(model)
    def task(key: int) -> dict[str, int]:
        with pytest.raises(Call.DoesNotExist):
            Call.objects.get(pk=foreign)
        with pytest.raises(Recording.DoesNotExist):
            Recording._base_manager.get(call=foreign)
        return rows_seen()

    home, foreign = filled.anna.household, key_of("calls.Call", filled.carla.household)
    with scope(household=home):
        own = rows_seen()
    assert min(own.values()) > 0
    with scopes_disabled():  # as in a sweep that does its work at once
        assert task(key_of(model, home)) == own
    assert task(key_of(model, home)) == own


def test_a_row_that_is_gone_is_no_leave_to_look_around(cast: Cast) -> None:
    @in_household_of("calls.Call")
    def task(key: int) -> None:
        pytest.fail("it ran")

    with pytest.raises(Call.DoesNotExist):
        task(1_000_000)
    assert rows_of_scope() == ""


def test_an_announcement_that_leads_to_a_clip_of_another_home_is_not_spoken(filled: Cast) -> None:
    home, other = filled.anna.household, filled.carla.household
    with scopes_disabled():
        clip = SpeechClip.objects.get(household=other)
        Announcement.objects.filter(household=home).update(clip=clip)
    with pytest.raises(Announcement.DoesNotExist):
        announcement_speak_task(key_of("announcements.Announcement", home))
    with scopes_disabled():
        assert SpeechClip.objects.get(pk=clip.pk).state == ClipState.QUEUED


def test_a_transcript_that_leads_to_a_recording_of_another_home_is_not_written(filled: Cast) -> None:
    home, other = filled.anna.household, filled.carla.household
    with scopes_disabled():
        Transcript.objects.filter(household=other).delete()
        Transcript.objects.filter(household=home).update(recording=Recording.objects.get(household=other))
    with pytest.raises(Transcript.DoesNotExist):
        transcript_create_task(key_of("transcripts.Transcript", home))


def test_a_sweep_sees_all_households_and_changes_each_row_in_its_own(
    filled: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[int, object] = {}
    monkeypatch.setattr(
        sweep, "call_fail", lambda *, call, **_: found.update({call.pk: get_scope().get("household")})
    )
    with scopes_disabled():
        Call.objects.update(state=CallState.CALLING, ended_at=None, created_at=now() - timedelta(days=1))
        households = {call.pk: call.household for call in Call.objects.select_related("household")}
    assert len(households) == 2
    assert over_all_households(calls_sweep)() == 2
    assert found == households
    assert rows_of_scope() == ""
