"""Small words and pictures for templates."""

from datetime import datetime, timedelta
from typing import Any, Final

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import get_language_info

from common.clock import now
from common.errors import wait_words
from common.speech_models.catalogue import MANY_LANGUAGES
from common.words import size_words

register = template.Library()

_ROOM_ICONS: Final[tuple[tuple[str, str], ...]] = (
    ("kitchen", "cooking-pot"),
    ("dining", "utensils"),
    ("nursery", "baby"),
    ("baby", "baby"),
    ("child", "baby"),
    ("kid", "baby"),
    ("bath", "bath"),
    ("bed", "bed-double"),
    ("office", "lamp-desk"),
    ("study", "lamp-desk"),
    ("work", "lamp-desk"),
    ("hall", "door-open"),
    ("door", "door-open"),
    ("entrance", "door-open"),
    ("garden", "trees"),
    ("garage", "car"),
    ("laundry", "shirt"),
    ("living", "sofa"),
    ("lounge", "sofa"),
)


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """One symbol of the sprite. It says nothing to a screen reader: a word stands beside it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        css,
        static("vendor/lucide/sprite.svg"),
        name,
    )


@register.filter
def room_icon(name: str) -> str:
    """The symbol that fits a room's name."""
    lower = str(name).lower()
    return next((symbol for word, symbol in _ROOM_ICONS if word in lower), "house")


@register.filter
def size(size_bytes: float) -> str:
    """On one line."""
    return size_words(size_bytes).replace(" ", "\xa0")


@register.filter
def clock(seconds: float | None) -> str:
    """Seconds as people read a length: 0:07, 1:32, 1:02:05."""
    total = int(float(seconds or 0) + 0.5)
    hours, rest = divmod(total, 3600)
    minutes, seconds_left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds_left:02}" if hours else f"{minutes}:{seconds_left:02}"


# Times: each is said in one of four ways, and in the household's zone, wherever it is read. static/js/lib/time.js moves
# on what was "3 hours ago", and tells a reader in another zone whose times these are.


@register.simple_tag
def moment(at: datetime) -> SafeString:
    """When something was or will be: "18:00" today, else "3 May, 18:00", "3 May 2025, 18:00"."""
    there = timezone.localtime(at)
    is_today = there.date() == timezone.localtime(now()).date()
    return _time(at, f"{there:%H:%M}" if is_today else f"{_date_words(there)}, {there:%H:%M}")


@register.simple_tag
def day(at: datetime) -> SafeString:
    """Where the time of day does not matter: "today", "tomorrow", "yesterday", else "3 May", "3 May 2025"."""
    there = timezone.localtime(at)
    days = (there.date() - timezone.localtime(now()).date()).days
    near = {0: "today", 1: "tomorrow", -1: "yesterday"}
    return _time(at, near.get(days) or _date_words(there))


@register.simple_tag
def daytime(at: datetime) -> SafeString:
    """In a list of one day."""
    return _time(at, f"{timezone.localtime(at):%H:%M}")


@register.simple_tag
def since(at: datetime) -> SafeString:
    """How long ago, in one unit: "just now", "3 hours ago"."""
    is_new = now() - at < timedelta(minutes=1)
    return _time(at, "just now" if is_new else f"{timesince(at, now(), depth=1)} ago", moves=True)


def _date_words(there: datetime) -> str:
    is_this_year = there.year == timezone.localtime(now()).year
    return f"{there.day} {there:%B}" + ("" if is_this_year else f" {there.year}")


def _time(at: datetime, words: str, *, moves: bool = False) -> SafeString:
    there = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}"{}>{}</time>',
        at.isoformat(),
        f"{there.day} {there:%B %Y, %H:%M}",
        SafeString(" data-ago") if moves else "",
        words,
    )


@register.filter
def language_words(tag: str) -> str:
    """A BCP 47 tag as its English name where Django knows one: en-US is English; `mul` is many languages."""
    if tag == MANY_LANGUAGES:
        return "many languages"
    try:
        return str(get_language_info(tag.lower())["name"])
    except KeyError:
        return tag


_BROWSERS: Final[tuple[tuple[str, str], ...]] = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS: Final[tuple[tuple[str, str], ...]] = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


@register.filter
def browser(user_agent: str) -> str:
    """What a browser calls itself, in a few words: "Firefox on Linux". The first word that is found counts."""
    return " on ".join(filter(None, browser_parts(user_agent))) or "Another program"


def browser_parts(user_agent: str) -> tuple[str, str]:
    """The browser and the system; "" for what is unknown."""
    name, system = (
        next((name for word, name in kinds if word in user_agent), "") for kinds in (_BROWSERS, _SYSTEMS)
    )
    return name, system


@register.simple_tag
def try_again(seconds: int) -> SafeString:
    """The wait until the next try, which static/js/lib/try-again.js counts down."""
    return format_html('<try-again data-seconds="{}">{}</try-again>', seconds, wait_words(seconds))


@register.filter
def hex_groups(value: str) -> str:
    """A fingerprint in groups of four, so that two people can compare it."""
    digits = str(value).replace(":", "").upper()
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


@register.filter
def user_code(value: str) -> str:
    """BCDFGHJKLM as BCDFG-HJKLM (RFC 8628 section 6.1)."""
    return f"{value[:5]}-{value[5:]}" if len(value) == 10 else value


@register.inclusion_tag("common/_field.html")
def field(bound_field: Any, hint: str = "") -> dict[str, Any]:
    """A form field with label, hint and errors, tied together for screen readers."""
    described = [f"{bound_field.auto_id}_hint"] if hint or bound_field.help_text else []
    described += [f"{bound_field.auto_id}_error"] if bound_field.errors else []
    attrs = {"aria-describedby": " ".join(described)} if described else {}
    attrs |= {"aria-invalid": "true"} if bound_field.errors else {}
    return {
        "field": bound_field,
        "widget": bound_field.as_widget(attrs=attrs),
        "hint": hint or bound_field.help_text,
    }
