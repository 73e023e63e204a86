"""How often somebody may try to get in.

allauth has limits of its own, which are off (settings): it counts an account by the name under which the hub was
reached, which a stranger chooses, and a code that is right makes it forget the wrong ones of others.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Final

from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from common.errors import TooMany
from common.limits import Try, again_s, tries_forget, tries_left_words, try_take
from common.network import address_group
from households.models import User

ACCOUNT_MOST: Final = 5
ACCOUNT_PER_S: Final = 300
ADDRESS_MOST: Final = 10
ADDRESS_PER_S: Final = 60
TOO_MANY_OF_ACCOUNT: Final = "Too many wrong tries for this account, here or elsewhere."
TOO_MANY_OF_ADDRESS: Final = "Too many tries from your network."
NOT_COUNTED: Final = "The hub cannot count tries at the moment, so nobody can sign in. Try again in a moment."
# A code of an authenticator app is right for 90 s, with one step to either side.
_CODE_USED_FOR_S: Final = 120

View = Callable[..., HttpResponse]


def guarded(view: View) -> View:
    """Each POST counts as a try of its address, until it turns out to be no wrong one: `try_was_right`."""

    @wraps(view)
    def inner(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if request.method == "POST":
            request.tries = [_address_take(request)]  # type: ignore[attr-defined]
        response = view(request, *args, **kwargs)
        if refused_s := getattr(request, "refused_s", 0):
            response.status_code, response.headers["Retry-After"] = 429, str(refused_s)
        return response

    return inner


def try_was_right(request: HttpRequest) -> None:
    for counted in getattr(request, "tries", [])[:1]:
        counted.give_back()


@dataclass(frozen=True)
class Told:
    """What the page says to whoever was wrong, or may not try now."""

    words: str = ""
    again_s: int = 0


def told(request: HttpRequest) -> Told:
    """Of an account that does not exist the same as of one that does."""
    if refused_s := getattr(request, "refused_s", 0):
        return Told(again_s=refused_s)
    wrong = [counted for counted in getattr(request, "tries", []) if not counted.is_given_back]
    if len(wrong) < 2:  # the account was not tried, or with success
        return Told()
    return Told(tries_left_words(*wrong), again_s(*wrong))


def account_try(request: HttpRequest, login: str) -> Try:
    """account_take for a page, which says what is left. Raises ValidationError after too many, Unavailable."""
    try:
        counted = account_take(login)
    except TooMany as error:
        request.refused_s = error.retry_after_s  # type: ignore[attr-defined]
        raise ValidationError(error.stem) from None
    if tries := getattr(request, "tries", None):
        tries.append(counted)
    return counted


def account_take(login: str, *, purpose: str = "sign-in") -> Try:
    """Count one try at an account, of a person or of nobody. Raises TooMany, Unavailable."""
    return try_take(
        _account_key(login, purpose),
        most=ACCOUNT_MOST,
        per_s=ACCOUNT_PER_S,
        message=TOO_MANY_OF_ACCOUNT,
        unavailable=NOT_COUNTED,
    )


def account_tries_forget(user: User) -> None:
    """Wrong tries of before keep nobody out any more. Those of their address go on counting."""
    tries_forget(_account_key(user.email, "sign-in"))


def _account_key(login: str, purpose: str) -> str:
    return f"{purpose}:{hashlib.sha256(login.strip().lower().encode()).hexdigest()}"


def code_use(user: User, code: str) -> bool:
    """Whether nobody has used this code of this person yet."""
    digest = hashlib.sha256(f"{user.pk}:{code}".encode()).hexdigest()
    return bool(cache.add(f"code-used:{digest}", 1, timeout=_CODE_USED_FOR_S))


def first_in_a_while(what: str, user: User) -> bool:
    """Whether this was not asked for this person in the last five minutes."""
    return bool(cache.add(f"first:{what}:{user.pk}", 1, timeout=ACCOUNT_PER_S))


def _address_take(request: HttpRequest) -> Try:
    return try_take(
        f"address:{address_group(request.META.get('REMOTE_ADDR', ''))}",
        most=ADDRESS_MOST,
        per_s=ADDRESS_PER_S,
        message=TOO_MANY_OF_ADDRESS,
        unavailable=NOT_COUNTED,
    )
