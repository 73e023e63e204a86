"""Turns the error tree into pages."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme

from common.errors import DomainError, NotAllowed, refusal_of

STALE_WORDS = (
    "Since this page was opened, you signed in again or switched to another home. Load it once more."
)


class DomainErrorMiddleware:
    """A DomainError that a view lets go becomes a page (or a fragment for htmx) that says it in words."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        error = refusal_of(exception)
        return error_page(request, error) if error else None


def error_page(request: HttpRequest, error: DomainError) -> HttpResponse:
    template = "common/_error.html" if request.headers.get("HX-Request") else "common/error.html"
    return refusal_render(request, template, error)


def refusal_render(
    request: HttpRequest, template: str, error: DomainError, context: dict[str, object] | None = None
) -> HttpResponse:
    """A page that shows the error, and is answered as the error asks for."""
    response = render(request, template, {**(context or {}), "error": error}, status=error.status)
    for name, value in error.headers.items():
        response[name] = value
    return response


def stale_page(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's answer to a form whose token is not of this session any more (settings.CSRF_FAILURE_VIEW)."""
    if request.headers.get("HX-Request"):
        return error_page(request, NotAllowed(STALE_WORDS))
    page = request.headers.get("Referer", "")
    is_own = url_has_allowed_host_and_scheme(page, {request.get_host()}, require_https=request.is_secure())
    return render(request, "403_csrf.html", {"page": page if is_own else ""}, status=NotAllowed.status)
