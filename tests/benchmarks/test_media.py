"""`python -m benchmarks.media` as a whole."""

import sys

import pytest

from benchmarks.figures import Figure, Options
from benchmarks.media.__main__ import Part, _apart

pytestmark = pytest.mark.unit


def never(_: Options) -> list[Figure]:
    raise AssertionError("it is measured in another process")


def test_a_part_that_fails_leaves_its_figures_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    [found] = _apart(Part(figures=("A1",), measure=never), Options(only=("A1",)))
    assert (found.id, found.value, found.ok) == ("A1", None, False)
