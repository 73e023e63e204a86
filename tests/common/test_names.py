"""What a name may hold."""

import pytest
from pydantic import ValidationError

from common.errors import Invalid
from common.names import name_apart, name_bare, name_need
from protocol.enrollment import AuthorizationRequest

pytestmark = pytest.mark.unit

GOOD = (
    "Ben",
    "Zoë O’Brien-Łukasz",
    "דנה",
    "مریم‌السادات",  # with a zero-width non-joiner
    "क्‍ष",  # with a zero-width joiner
    "Family 👨‍👩‍👧",
    "Heart ❤️",
    "Home 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
)
TURNING = [*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
HIDDEN = [*"\x07\t\n\x7f\u00ad\u200b\u2060\u2028\ufeff\u3164\U000e0041"]


@pytest.mark.parametrize("name", GOOD)
def test_names_of_all_scripts_and_emoji_are_taken(name: str) -> None:
    name_need(name)
    assert name_bare(name) == name


@pytest.mark.parametrize("sign", TURNING + HIDDEN)
def test_what_cannot_be_seen_is_refused(sign: str) -> None:
    with pytest.raises(Invalid, match="nobody can see"):
        name_need(f"B{sign}en")
    assert name_bare(f"B{sign}en") == "Ben"


@pytest.mark.parametrize("sign", [*TURNING, "\x07", "\t", "\u00ad", "\u200b", "\u2028", "\U000e0041"])
@pytest.mark.parametrize("where", ["model", "serial", "capabilities"])
def test_nor_does_a_device_say_it_of_itself(where: str, sign: str) -> None:
    text = f"Box{sign} 7"
    told = {"csr_pem": "", "model": "Box", "serial": "7", where: [text] if where == "capabilities" else text}
    with pytest.raises(ValidationError):
        AuthorizationRequest.model_validate(told)


@pytest.mark.parametrize("name", ["B\u200den", "\u200cBen", "\u200d"])
def test_a_joiner_that_joins_nothing_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        name_need(name)


def test_a_name_that_is_written_from_the_right_stays_within_itself() -> None:
    assert name_apart("Ben") == "Ben"
    assert name_apart("דנה") == "\u2068דנה\u2069"
    assert name_apart("דנה\u2069 א") == "\u2068דנה א\u2069"
    assert name_apart("\u202eneB") == "neB"
