"""What was played is known after a power cut."""

import os
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.journal import JOURNAL_FILE, Journal

pytestmark = pytest.mark.unit


def test_it_remembers_after_a_restart(tmp_path: Path) -> None:
    played = [uuid4() for _ in range(5)]
    journal = Journal(tmp_path)
    for delivery_id in played:
        journal.add(delivery_id)
    again = Journal(tmp_path)
    assert all(delivery_id in again for delivery_id in played)
    assert uuid4() not in again
    assert (tmp_path / JOURNAL_FILE).stat().st_mode & 0o777 == 0o600


@given(cut=st.integers(min_value=1, max_value=90))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
def test_it_survives_a_torn_last_line(tmp_path: Path, cut: int) -> None:
    (tmp_path / JOURNAL_FILE).unlink(missing_ok=True)
    first, torn, next_one = uuid4(), uuid4(), uuid4()
    journal = Journal(tmp_path)
    journal.add(first)
    whole = (tmp_path / JOURNAL_FILE).stat().st_size
    journal.add(torn)
    os.truncate(tmp_path / JOURNAL_FILE, max(whole, (tmp_path / JOURNAL_FILE).stat().st_size - cut))
    Journal(tmp_path).add(next_one)
    again = Journal(tmp_path)
    assert first in again
    assert next_one in again
    assert len(again) in (2, 3)


def test_it_survives_garbage(tmp_path: Path) -> None:
    kept = uuid4()
    Journal(tmp_path).add(kept)
    path = tmp_path / JOURNAL_FILE
    path.write_bytes(b'\0\0\0\n{"delivery_id": 7}\n[]\n\xff\xfe\n' + path.read_bytes())
    assert kept in Journal(tmp_path)


def test_an_entry_is_on_the_disk_before_add_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(handle)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    Journal(tmp_path).add(uuid4())
    assert len(synced) == 2  # the file and, because it is new, its folder


def test_it_forgets_the_oldest_when_it_is_full(tmp_path: Path) -> None:
    ids = [uuid4() for _ in range(25)]
    journal = Journal(tmp_path, max_entries=20)
    for delivery_id in ids:
        journal.add(delivery_id)
    again = Journal(tmp_path, max_entries=20)
    assert ids[-1] in again
    assert ids[-5] in again
    assert ids[0] not in again
    assert len(again) <= 20


def test_the_same_delivery_is_one_entry(tmp_path: Path) -> None:
    journal, delivery_id = Journal(tmp_path), uuid4()
    journal.add(delivery_id)
    journal.add(delivery_id)
    assert len((tmp_path / JOURNAL_FILE).read_bytes().splitlines()) == 1
