"""Static files, which all hubs of one checkout share."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import LazySettings

from config.static_files import static_files_collect

pytestmark = pytest.mark.integration


def test_two_hubs_that_start_at_once_do_not_clear_each_others_files_away(
    settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STATIC_ROOT = tmp_path / "static"
    begun, may_end = threading.Event(), threading.Event()
    count = 0

    def collect(*_words: str, **_options: object) -> None:
        nonlocal count
        count += 1
        begun.set()
        assert may_end.wait(10)

    monkeypatch.setattr("config.static_files.call_command", collect)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(static_files_collect)
        assert begun.wait(10)
        second = pool.submit(static_files_collect)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.5)
        may_end.set()
        assert (first.result(10), second.result(10)) == (True, False)
    assert count == 1
    assert static_files_collect() is False
