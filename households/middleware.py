"""Who asks, and in which household."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django_scopes import scope

from households.access import SESSION_KEY, membership_for_user
from households.models import User
from households.services import owner_exists

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
        user = request.user
        membership = (
            membership_for_user(user, request.session.get(SESSION_KEY)) if isinstance(user, User) else None
        )
        request.membership = membership  # type: ignore[attr-defined]
        request.household = membership.household if membership else None  # type: ignore[attr-defined]
        if membership is None:
            return self._without_member(request)
        with (
            scope(household=membership.household),
            timezone.override(ZoneInfo(membership.household.time_zone)),
        ):
            return self.get_response(request)

    def _without_member(self, request: HttpRequest) -> HttpResponse:
        # Owners do not go away, so one look per process is enough.
        self._has_owner = self._has_owner or owner_exists()
        if not self._has_owner and not request.path.startswith(_OPEN_PREFIXES):
            return redirect("households:setup")
        return self.get_response(request)
