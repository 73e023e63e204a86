"""Holds every request against the table of access, before its view."""

from collections.abc import Callable, Iterator
from typing import Any

import structlog
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, URLResolver, get_resolver

from common.errors import (
    METHOD_WORDS,
    DomainError,
    Gone,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    NotSignedIn,
)
from common.middleware import error_page
from config.access_table import ADDRESSES
from devices.gate import Row, Who, member_passes
from devices.past import device_past
from households.access import role_refusal
from households.homes_views import elsewhere, nowhere
from households.models import Membership

log = structlog.get_logger(__name__)
_API = "api/"
# These come without a session: the address itself asks for what they bring.
_KNOWN_BY_THE_VIEW = (Who.EVERYBODY, Who.TOKEN, Who.OPERATOR)


class AccessMiddleware:
    """Comes after HouseholdMiddleware. An address or a method without a row is refused for everybody."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        for route in routes_without_row():
            log.error("an address is in no row of the table of access: it is closed", route=route)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        methods = ADDRESSES.get(match.route) if match else None
        if methods is None:
            return _refusal(request, NotFound("There is no such page."))
        row = methods.get("GET" if request.method == "HEAD" else request.method or "")
        if row is None:
            return _refuse_method(request, view, allowed(methods))
        return _refuse_person(request, row)


def allowed(methods: dict[str, Row]) -> list[str]:
    """What the header Allow says."""
    return sorted({*methods, "HEAD"} if "GET" in methods else methods)


def _refuse_method(request: HttpRequest, view: Any, methods: list[str]) -> HttpResponse | None:
    api = getattr(view, "cls", None)
    if api is not None and not hasattr(api, (request.method or "").lower()):
        return None  # such a view of the API says so itself, in the form of its protocol
    response = _refusal(request, MethodNotAllowed(METHOD_WORDS))
    response["Allow"] = ", ".join(methods)
    return response


def _refuse_person(request: HttpRequest, row: Row) -> HttpResponse | None:
    if row in _KNOWN_BY_THE_VIEW:
        return None
    if not request.user.is_authenticated:
        return _to_sign_in(request)
    membership = getattr(request, "membership", None)
    if row is Who.PERSON or (membership is not None and member_passes(membership, row)):
        return None
    if membership is None:
        return _nowhere(request)
    return elsewhere(request) or _refusal(request, _gone(request, membership) or role_refusal(membership))


def _gone(request: HttpRequest, membership: Membership) -> Gone | None:
    """A guest to whom nothing is lent any more came for a device that was."""
    public_id = request.resolver_match.kwargs.get("public_id") if request.resolver_match else None
    past = device_past(membership=membership, public_id=public_id) if public_id else ""
    return Gone(past) if past else None


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    if request.path_info.startswith(f"/{_API}"):
        return _refusal(request, NotSignedIn("Please sign in first."))
    if request.headers.get("HX-Request"):  # the sign-in page is no part of another page
        return _refusal(request, NotSignedIn("You were signed out. Load the page again to sign in."))
    return redirect_to_login(request.get_full_path())


def _nowhere(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request") or request.path_info.startswith(f"/{_API}"):
        return _refusal(request, NotAllowed("You do not belong to this home any more."))
    return nowhere(request)


def _refusal(request: HttpRequest, error: DomainError) -> HttpResponse:
    if request.path_info.startswith(f"/{_API}"):
        return JsonResponse(
            {"error": str(error.wire_code), "error_description": error.message},
            status=error.status,
            headers=error.headers,
        )
    return error_page(request, error)


def routes() -> set[str]:
    """Every address of the hub, as `resolver_match.route` names it."""
    return set(_routes(get_resolver(), ""))


def _routes(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        part = str(pattern.pattern)
        route = prefix + part.removeprefix("^") if prefix else part  # as Django joins them
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route


def routes_without_row() -> list[str]:
    return sorted(routes() - set(ADDRESSES))
