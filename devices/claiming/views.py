"""The way from a code to a claimed device."""

from math import ceil

from csp.constants import WASM_UNSAFE_EVAL
from csp.decorators import csp_update
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods
from django_scopes import scope

from common.clock import now
from common.errors import DomainError, Invalid, NotFound
from common.middleware import refusal_render
from devices.claiming.confirmation import authorization_confirm, authorization_deny, authorization_find
from devices.claiming.known import KeyChanged, device_known
from devices.forms import ClaimForm, CodeForm
from devices.models import Device, DeviceAuthorization
from devices.selectors import key_shown
from households.access import household_choose, member_of, need
from households.models import Membership
from households.roles import Permission
from households.selectors import memberships_with

_OTHER_WORDS = "other-words"
_ASKED = "device_asked"  # in the encrypted session: what found the device that waits for a yes or a no
# The scanner's decoder is WebAssembly, on the pages that scan and on no other.
may_scan = csp_update({"script-src": [WASM_UNSAFE_EVAL]})


@login_required
@require_GET
@may_scan
def add(request: HttpRequest) -> HttpResponse:
    need(member_of(request), Permission.DEVICES_MANAGE)
    return _add_page(request, CodeForm())


@require_GET
def claim(request: HttpRequest) -> HttpResponse:
    """Where the QR code leads. The secret stands in the fragment, so only the page can read it."""
    return render(request, "devices/claim.html", {"form": CodeForm()})


@login_required
@require_http_methods(["GET", "POST"])
@may_scan
def lookup(request: HttpRequest) -> HttpResponseBase:
    """Shows which device waits behind a code, and again for another household. From then on `confirm` shows it, too."""
    if request.method == "GET":  # after an error the form stands at this address, and people open it again
        return add(request)
    form = CodeForm(request.POST)
    try:
        membership = _chosen(request)
        with scope(household=membership.household):
            authorization, codes = _find(membership, form), form.codes()
            request.session[_ASKED] = {**codes, "household": str(membership.household.public_id)}
            return _confirm_page(request, membership, authorization, codes=codes)
    except DomainError as error:
        return _add_page(request, form, error)


@login_required
@require_http_methods(["GET", "POST"])
@may_scan
def confirm(request: HttpRequest) -> HttpResponseBase:
    """The question whether it is this device, which reload and Back show again; and the yes to it."""
    if request.method == "GET":
        return _question(request)
    try:
        membership = _chosen(request)
        with scope(household=membership.household):
            form = ClaimForm(request.POST, household=membership.household)
            return _confirm(request, membership, form)
    except DomainError as error:
        return _add_page(request, CodeForm(request.POST), error)


@login_required
@require_http_methods(["GET", "POST"])
@may_scan
def refuse(request: HttpRequest) -> HttpResponseBase:
    """The words on the page are not those of the device."""
    if request.method == "GET":
        return add(request)
    form = CodeForm(request.POST)
    try:
        membership = _chosen(request)
        with scope(household=membership.household):
            authorization_deny(membership=membership, authorization=_find(membership, form))
    except DomainError as error:
        return _add_page(request, form, error)
    request.session.pop(_ASKED, None)
    return redirect(f"{reverse('devices:add')}?{_OTHER_WORDS}")


def _question(request: HttpRequest) -> HttpResponseBase:
    """What the code that was brought last found, until that is answered or the code is good no more."""
    if not (asked := request.session.get(_ASKED)):
        return add(request)
    form = CodeForm(asked)
    try:
        membership = _chosen(request, asked["household"])
        with scope(household=membership.household):
            authorization = _find(membership, form)
            return _confirm_page(request, membership, authorization, codes=form.codes())
    except DomainError as error:
        del request.session[_ASKED]
        return _add_page(request, form, error)


def _confirm(request: HttpRequest, membership: Membership, form: ClaimForm) -> HttpResponse:
    authorization = _find(membership, form)
    try:
        device = authorization_confirm(membership=membership, authorization=authorization, **form.values())
    except (Invalid, KeyChanged) as error:
        return _confirm_page(request, membership, authorization, form=form, error=error)
    request.session.pop(_ASKED, None)
    household_choose(request, membership)
    return redirect("devices:joining", device.public_id)


def _chosen(request: HttpRequest, chosen: str | None = None) -> Membership:
    """The member in the household that was chosen on the page, else in the current one. Raises NotFound, NotAllowed."""
    current = member_of(request)
    if chosen is None:
        chosen = request.POST.get("household", "")
    need(current, Permission.DEVICES_MANAGE)
    if chosen in ("", str(current.household.public_id)):
        return current
    for membership in memberships_with(current.user, Permission.DEVICES_MANAGE):
        if str(membership.household.public_id) == chosen:
            return membership
    raise NotFound("There is no such home.")


def _find(membership: Membership, form: CodeForm | ClaimForm) -> DeviceAuthorization:
    """Raises what authorization_find raises, and Invalid for a form without a code."""
    form.is_valid()
    codes = form.codes()
    if not codes["secret"] and not codes["user_code"]:
        raise Invalid("Type the code that the device shows, or scan it.")
    return authorization_find(membership=membership, **codes)


def _add_page(request: HttpRequest, form: CodeForm, error: DomainError | None = None) -> HttpResponse:
    context = {"form": form, "is_refused": _OTHER_WORDS in request.GET}
    if error:
        return refusal_render(request, "devices/add.html", error, context)
    return render(request, "devices/add.html", context)


def _confirm_page(
    request: HttpRequest,
    membership: Membership,
    authorization: DeviceAuthorization,
    *,
    codes: dict[str, str] | None = None,
    form: ClaimForm | None = None,
    error: DomainError | None = None,
) -> HttpResponse:
    known = device_known(household=membership.household, authorization=authorization)
    if form is None:
        initial = {**(codes or {}), **_proposal(known, authorization)}
        form = ClaimForm(household=membership.household, initial=initial)
    context = {
        "form": form,
        "authorization": authorization,
        "left_s": max(0, ceil((authorization.expires_at - now()).total_seconds())),
        "key": key_shown(authorization.fingerprint_sha256),
        "known": known,
        "home": membership.household,
        "home_choices": [m.household for m in memberships_with(membership.user, Permission.DEVICES_MANAGE)],
        "error": None if isinstance(error, KeyChanged) else error,  # the page says that itself
    }
    return render(request, "devices/confirm.html", context, status=error.status if error else 200)


def _proposal(known: Device | None, authorization: DeviceAuthorization) -> dict[str, object]:
    if known is None:
        return {"name": authorization.model, "is_auto_answer": True}
    return ClaimForm.initial_of(known)
