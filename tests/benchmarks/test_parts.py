"""Subjects in several parts, such as `python -m benchmarks.media`."""

import sys

import pytest

from benchmarks.figures import Figure, Options
from benchmarks.media.__main__ import SUBJECT as MEDIA
from benchmarks.parts import Part, Subject, _apart, known_ids
from benchmarks.safety.__main__ import SUBJECT as SAFETY

pytestmark = pytest.mark.unit


def never(_: Options) -> list[Figure]:
    raise AssertionError("it is measured in another process")


def test_a_part_that_fails_leaves_its_figures_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    part = Part(figures=("A1",), measure=never)
    [found] = _apart(Subject(name="none", description="", parts=(part,)), part, Options(only=("A1",)))
    assert (found.id, found.value, found.ok) == ("A1", None, False)


@pytest.mark.parametrize("subject", [MEDIA, SAFETY], ids=["media", "safety"])
def test_each_figure_belongs_to_one_part_and_can_be_asked_for_with_its_family(subject: Subject) -> None:
    ids = [figure_id for part in subject.parts for figure_id in part.figures]
    assert len(ids) == len(set(ids))
    assert {figure_id.split(".")[0] for figure_id in ids} <= known_ids(subject.parts)
