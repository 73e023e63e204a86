"""The small words of templates."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from common.clock import now
from common.speech_models.catalogue import catalogue_model, suggested
from common.templatetags import ui
from common.templatetags.ui import (
    clock,
    day,
    daytime,
    hex_groups,
    icon,
    moment,
    room_icon,
    since,
    size,
    user_code,
)
from common.words import size_words

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "0:00"), (0.4, "0:00"), (7, "0:07"), (91.6, "1:32"), (3725, "1:02:05")]
)
def test_a_length_is_written_as_people_read_it(seconds: float | None, words: str) -> None:
    assert clock(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),  # of a clock that is a little ahead
        (0, "just now"),
        (59, "just now"),
        (61, "1 minute ago"),
        (3700, "1 hour ago"),
        (180_000, "2 days ago"),
    ],
)
def test_a_time_is_said_in_one_unit_and_never_as_none_of_it(seconds: float, words: str) -> None:
    said = since(now() - timedelta(seconds=seconds)).replace("\xa0", " ")
    assert said.endswith(f" data-ago>{words}</time>")


# In Berlin; it is half past midnight there on 3 May.
NOW = datetime(2026, 5, 2, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "of_moment", "of_day"),
    [
        (datetime(2026, 5, 2, 22, 5, tzinfo=UTC), "00:05", "today"),
        (datetime(2026, 5, 3, 21, 59, tzinfo=UTC), "23:59", "today"),
        (datetime(2026, 5, 2, 21, 59, tzinfo=UTC), "2 May, 23:59", "yesterday"),
        (datetime(2026, 5, 3, 22, 0, tzinfo=UTC), "4 May, 00:00", "tomorrow"),
        (datetime(2025, 12, 31, 23, 30, tzinfo=UTC), "1 January, 00:30", "1 January"),
        (datetime(2025, 12, 31, 22, 30, tzinfo=UTC), "31 December 2025, 23:30", "31 December 2025"),
    ],
)
def test_a_moment_and_a_day_are_said_in_one_way_in_the_zone_of_the_household(
    monkeypatch: pytest.MonkeyPatch, at: datetime, of_moment: str, of_day: str
) -> None:
    monkeypatch.setattr(ui, "now", lambda: NOW)
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert moment(at).startswith(f'<time datetime="{at.isoformat()}" title="')
        assert moment(at).endswith(f'">{of_moment}</time>')
        assert day(at).endswith(f'">{of_day}</time>')
        assert daytime(at).endswith(f'">{of_moment[-5:]}</time>')


def test_no_template_has_a_way_of_its_own() -> None:
    """A time is written with moment, day, daytime or since."""
    own = re.compile(
        r"\{\{[^}]*(\|(date|time|timesince|timeuntil)\b|_(at|on|before|after) *\}\})|<time [^>]*datetime="
    )
    pages = Path(__file__).parents[2] / "templates"
    found = {match[0] for page in pages.rglob("*.html") for match in own.finditer(page.read_text())}
    # The number of an entry; and a moment in words, on paper, which nobody reads on the same day.
    assert found == {"{{ check.broken_at }}", "{{ made_at }}"}


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(0, "0.0 MB"), (300_000, "0.3 MB"), (148_000_000, "148.0 MB"), (2_500_000_000, "2.5 GB")],
)
def test_a_size_is_said_in_one_way_on_pages_and_in_windows(size_bytes: int, words: str) -> None:
    assert size_words(size_bytes) == words
    assert size(size_bytes) == words.replace(" ", "\xa0")


def test_the_readme_names_the_sizes_that_the_hub_does_and_no_page_counts_in_another_unit() -> None:
    root = Path(__file__).parents[2]
    readme = (root / "README.md").read_text()
    said = dict(re.findall(r"speech_models download (\S+) +# (.+)", readme))
    assert said
    assert said == {name: size_words(catalogue_model(name).size_bytes) for name in said}
    whole = size_words(sum(model.size_bytes for model in suggested("en")))
    assert f"a download of {whole}, " in readme
    assert not [page for page in (root / "templates").rglob("*.html") if "filesizeformat" in page.read_text()]


def test_a_fingerprint_is_grouped_for_comparing() -> None:
    assert hex_groups("ab:cd12ef") == "ABCD 12EF"


def test_a_code_gets_its_dash_and_anything_else_stays() -> None:
    assert user_code("BCDFGHJKLM") == "BCDFG-HJKLM"
    assert user_code("BCD") == "BCD"


def test_a_room_gets_a_symbol_that_fits() -> None:
    assert room_icon("Grandma's KITCHEN") == "cooking-pot"
    assert room_icon("Bathroom") == "bath"
    assert room_icon("Observatory") == "house"


def test_an_icon_says_nothing_and_cannot_break_out() -> None:
    assert 'aria-hidden="true"' in icon("x")
    assert "<script" not in icon('"><script>')
