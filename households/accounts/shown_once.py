"""A link or token that is shown once waits in the person's session for the first look at its page.

Whoever makes one is led to that page, so that Back and reload ask for the page again, and send no form anew. A session
is encrypted in its table, and ends with the sign-in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, cast

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from common.clock import now
from common.models import BaseModel
from households.accounts.sessions import SessionStore

LIFE = timedelta(minutes=10)
_KEY: Final = "shown_once"
# By these a browser says that it loads a page before anybody asked for it; the last two are those of older ones.
_AHEAD: Final = ("Sec-Purpose", "Purpose", "X-Moz")


def secret_keep(request: HttpRequest, *, of: BaseModel, secret: str) -> None:
    """`of`: what it opens, or lets in. Nobody but this session is shown it."""
    with _waiting(request) as waiting:
        waiting[_name(of)] = [secret, (now() + LIFE).timestamp()]


def secret_take(request: HttpRequest, *, of: BaseModel) -> str:
    """Empty at any look but the first, in any other session, and after LIFE."""
    if _name(of) not in request.session.get(_KEY, {}):
        return ""
    with _waiting(request) as waiting:
        secret, _ = waiting.pop(_name(of), ("", 0))
    return str(secret)


def shows_secret(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For the page: nothing keeps a copy of it, and a browser that only looks ahead does not use it up."""

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if any("prefetch" in request.headers.get(name, "") for name in _AHEAD):
            response = HttpResponse(status=HTTPStatus.TOO_EARLY)  # then it asks again when somebody does
        else:
            response = view(request, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    return page


def _name(of: BaseModel) -> str:
    return f"{of._meta.label_lower} {of.public_id}"


@contextmanager
def _waiting(request: HttpRequest) -> Iterator[dict[str, list[Any]]]:
    """All that waits in this session now, to be changed: two tabs may do that at once, and the last one would win."""
    session = cast(SessionStore, request.session)
    with transaction.atomic():
        held = session.hold()
        moment = now().timestamp()
        waiting = {name: one for name, one in held.get(_KEY, {}).items() if one[1] > moment} if held else {}
        yield waiting
        if held is None:  # signed out meanwhile
            return
        held[_KEY] = waiting
        held.save()
    is_modified = session.modified
    session[_KEY] = waiting
    # Else the end of this request would write the whole session as it was at its beginning.
    session.modified = is_modified
