"""Names that people give: whatever is in them can be seen.

What turns the direction of writing would turn the sentence around the name, too, so that it tells something else.
"""

import re
from typing import Final
from unicodedata import bidirectional, category

from django import forms
from django.core.exceptions import ValidationError

from common.errors import Invalid

REFUSED: Final = "There are signs in this that nobody can see. Type it by hand."
LENGTH: Final = 80
# Scripts of India and Persia, and emoji, join what stands beside these: after a plain letter they hide something.
_JOINERS: Final = "\u200c\u200d"
_BLANK_LETTERS: Final = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
_FLAG: Final = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")  # of England, Scotland, Wales
_FROM_THE_RIGHT: Final = frozenset({"R", "AL", "AN"})


def name_bare(text: str) -> str:
    """Without what nobody can see."""
    flags = [found.span() for found in _FLAG.finditer(text)]
    kept = (
        sign
        for at, sign in enumerate(text)
        if not _is_unseen(sign, text[at - 1 : at]) or any(begin <= at < end for begin, end in flags)
    )
    return "".join(kept)


def name_need(text: str) -> None:
    """Raises Invalid for a name in which something cannot be seen."""
    if name_bare(text.strip()) != text.strip():
        raise Invalid(REFUSED)


def name_apart(text: str) -> str:
    """For a sentence: what is written from the right stays within itself (Unicode Standard Annex 9, isolates)."""
    bare = name_bare(text)
    if any(bidirectional(sign) in _FROM_THE_RIGHT for sign in bare):
        return f"\N{FIRST STRONG ISOLATE}{bare}\N{POP DIRECTIONAL ISOLATE}"
    return bare


class NameField(forms.CharField):
    """Where somebody types what something or somebody is called."""

    def validate(self, value: str) -> None:
        super().validate(value)
        if name_bare(value) != value:
            raise ValidationError(REFUSED)


def _is_unseen(sign: str, before: str) -> bool:
    if sign in _JOINERS:
        return not before or before.isascii()
    return sign in _BLANK_LETTERS or category(sign) in ("Cc", "Cf", "Zl", "Zp")
