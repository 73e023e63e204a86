"""The shared cache: whoever can write to Redis writes nothing there that the hub believes, or that runs."""

import pickle
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client

from common.clock import now
from common.redis import redis_get
from households.models import Household
from households.record import activity
from households.record.chain import AuditCheck, audit_check
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


class Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def written(key: str, value: bytes) -> None:
    redis_get().set(cache.make_key(key), value)


@pytest.mark.parametrize("value", [0, 7, -3, "words", [1, {"a": None}], {"b": True}])
def test_what_was_put_in_comes_out(value: object) -> None:
    cache.set("one", value)
    assert cache.get("one") == value


def test_numbers_are_counted_by_redis_itself() -> None:
    cache.set("one", 1)
    assert cache.incr("one") == 2
    assert cache.get("one") == 2


def test_nothing_else_is_taken_in() -> None:
    with pytest.raises(TypeError):
        cache.set("one", object())


def test_what_is_found_there_does_not_run(tmp_path: Path) -> None:
    for value in (pickle.dumps(Runs(tmp_path / "ran")), b"", b"{}", b"\x80", b"x" * 40):
        written("one", value)
        assert cache.get("one") is None
    assert not (tmp_path / "ran").exists()


def test_a_page_does_not_run_it_either(cast: Cast, tmp_path: Path) -> None:
    client = Client()
    client.force_login(cast.anna.user, "django.contrib.auth.backends.ModelBackend")
    written(f"audit-check:{cast.anna.household.pk}", pickle.dumps(Runs(tmp_path / "ran")))
    assert "The record is whole" in client.get("/activity/whole/").content.decode()
    assert not (tmp_path / "ran").exists()


def test_what_was_found_of_one_record_counts_for_no_other_and_for_no_later_time(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def look(household: Household) -> AuditCheck:
        looked.append(household.pk)
        return audit_check(household)

    monkeypatch.setattr("households.record.activity.audit_check", look)
    of_anna, of_carla = (cache.make_key(f"audit-check:{one.household.pk}") for one in (cast.anna, cast.carla))
    for _ in range(2):
        activity.record_check(cast.carla.household)
    assert looked == [cast.carla.household.pk]
    redis_get().copy(of_carla, of_anna)
    redis_get().copy(of_carla, "kept")
    activity.record_check(cast.anna.household)
    assert looked[1:] == [cast.anna.household.pk]
    monkeypatch.setattr(activity, "now", lambda: now() + timedelta(seconds=activity.CHECK_KNOWN_S + 1))
    redis_get().copy("kept", of_carla, replace=True)
    activity.record_check(cast.carla.household)
    assert looked[2:] == [cast.carla.household.pk]
