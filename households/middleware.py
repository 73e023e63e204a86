"""Who asks, and in which household."""

from collections.abc import Callable
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from allauth.account.adapter import get_adapter
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django_scopes import scope

from common.errors import NotAllowed, NotFound
from households.access import SESSION_KEY, membership_for_user, membership_in
from households.homes_views import elsewhere
from households.models import Membership, User
from households.services import hub_zone, owner_exists

# Reached before there is an owner, or by programs that have no session.
_OPEN_PREFIXES = (
    "/setup/",
    "/static/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/",
    "/sw.js",
    "/manifest.webmanifest",
)


class HouseholdMiddleware:
    """Sets request.membership and request.household (None when nobody is signed in) and opens the household's scope."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._has_owner = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        membership = _membership(request, request.user) if isinstance(request.user, User) else None
        request.membership = membership  # type: ignore[attr-defined]
        request.household = membership.household if membership else None  # type: ignore[attr-defined]
        if membership is None:
            return self._without_member(request)
        with (
            scope(household=membership.household),
            timezone.override(ZoneInfo(membership.household.time_zone)),
        ):
            response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            # By Back nobody sees what is not so any more, and nobody after a sign-out what was for somebody else.
            response.setdefault("Cache-Control", "no-store")
        return response

    def _without_member(self, request: HttpRequest) -> HttpResponse:
        # Owners do not go away, so one look per process is enough.
        self._has_owner = self._has_owner or owner_exists()
        if not self._has_owner and not request.path.startswith(_OPEN_PREFIXES):
            return redirect("households:setup")
        with timezone.override(hub_zone() if request.user.is_authenticated else None):
            return self.get_response(request)


def _membership(request: HttpRequest, user: User) -> Membership | None:
    """A part of an open page asks for the household of its page, also when another tab has chosen another one since."""
    if of_page := request.headers.get("X-Household"):
        return membership_in(user, of_page)
    chosen = request.session.get(SESSION_KEY)
    membership = membership_for_user(user, chosen)
    if membership and chosen and str(membership.household.public_id) != chosen:
        request.session.pop(SESSION_KEY)
        messages.info(request, f"You do not belong to that home any more. This is {membership.household}.")
    return membership


class ElsewhereMiddleware:
    """What is absent here, and is in another household of the same person, leads there if they want."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return elsewhere(request) if isinstance(exception, NotFound | NotAllowed) else None


class AskAgainMiddleware:
    """Before a change of the account the password is asked for again; then the page with the button comes back.

    allauth would do by itself what was posted. For that it keeps the whole request in the table of sessions, with the
    cookie, which is the key of the session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, ReauthenticationRequired):
            return None
        way = get_adapter().get_reauthentication_methods(request.user)[0]["url"]
        return redirect(f"{way}?{urlencode({'next': request.get_full_path()})}")
