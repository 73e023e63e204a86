"""A device goes from one household to another: the link, whoever opens it, and the wait for the device."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods
from django_scopes import scope

from common.errors import DomainError, Gone, Invalid, NotFound
from common.limits import limit_hit
from common.links import outside_url
from common.middleware import refusal_render
from devices.access import access_device
from devices.forms import DeviceForm
from devices.life.transfers import (
    access_transfer,
    transfer_accept,
    transfer_cancel,
    transfer_create,
    transfer_find,
    transfer_give_up,
    transfer_of,
    transfer_of_taker,
    transfer_why_closed,
)
from devices.models import Transfer
from devices.sharing.rules import may_part
from households.access import household_choose, member_of
from households.accounts.shown_once import secret_keep, secret_take, shows_secret
from households.models import Membership, User
from households.roles import Permission
from households.selectors import memberships_with


@login_required
@require_http_methods(["GET", "POST"])
def give(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    device = access_device(membership=membership, public_id=public_id, need=Permission.DEVICES_MANAGE)
    if request.method == "GET":
        return redirect("devices:detail", public_id)
    transfer, token = transfer_create(membership=membership, device=device)
    secret_keep(request, of=transfer, secret=token)
    return redirect("devices:give-link", public_id, transfer.public_id)


@login_required
@require_GET
@shows_secret
def give_link(request: HttpRequest, public_id: UUID, transfer_id: UUID) -> HttpResponse:
    """The link, at the first look; later whether it still works."""
    membership = member_of(request)
    device = access_device(membership=membership, public_id=public_id, need=Permission.DEVICES_MANAGE)
    transfer = transfer_of(device, public_id=transfer_id)
    closed = transfer_why_closed(transfer)
    context = {"device": device, "transfer": transfer, "is_closed": bool(closed)}
    context["may_part"] = may_part(membership, device)
    if (token := secret_take(request, of=transfer)) and not closed:
        context["link"] = outside_url(request, f"{reverse('devices:take')}#t={token}")
    return render(request, "devices/give.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def give_cancel(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    device = access_device(membership=membership, public_id=public_id, need=Permission.DEVICES_MANAGE)
    if request.method == "POST":
        transfer_cancel(membership=membership, device=device)
        messages.success(request, f"{device.name} stays. The link opens nothing any more.")
    return redirect("devices:detail", public_id)


@sensitive_post_parameters("token")
@require_http_methods(["GET", "POST"])
def take(request: HttpRequest) -> HttpResponse:
    """Where the link leads. The secret stands in the fragment, so only the page can read it: it posts it here."""
    user = request.user
    if request.method == "GET" or not isinstance(user, User):
        return render(request, "devices/take.html", {"login_next": reverse("devices:take")})
    try:
        if (taken := _taken(request, user)) is not None:
            return _there(request, user, taken)
        return _take_page(request, user, _transfer(request, user))
    except DomainError as error:
        return refusal_render(request, "devices/take.html", error)


@sensitive_post_parameters("token")
@login_required
@require_http_methods(["GET", "POST"])
def take_accept(request: HttpRequest) -> HttpResponseBase:
    user = request.user
    if request.method == "GET" or not isinstance(user, User):
        return redirect("devices:take")
    try:
        if (taken := _taken(request, user)) is not None:  # pressed twice
            return _there(request, user, taken)
        transfer = _transfer(request, user)
        membership = _chosen(request, user, transfer)
        with scope(household=membership.household):
            form = DeviceForm(request.POST, household=membership.household)
            return _accept(request, transfer, membership, form)
    except DomainError as error:
        return refusal_render(request, "devices/take.html", error)


def _there(request: HttpRequest, user: User, taken: Transfer) -> HttpResponse:
    """To its page in the home that it went to; this browser may show another one. Raises Gone."""
    membership = Membership.objects.select_related("user", "household").filter(
        user=user, household=taken.to_household
    )
    if (found := membership.first()) is None:
        raise Gone("You took this device over for a home to which you do not belong any more.")
    household_choose(request, found)
    return redirect("devices:coming", taken.public_id)


@login_required
@require_GET
def coming(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Until the device is here. htmx asks for the steps alone."""
    transfer = access_transfer(membership=member_of(request), public_id=public_id)
    is_part = bool(request.headers.get("HX-Request"))
    if transfer.to_device is not None or transfer.cancelled_at:
        there = reverse("devices:home")
        if transfer.to_device is not None and not transfer.to_device.revoked_at:
            there = reverse("devices:joining", args=[transfer.to_device.public_id])
        elif is_part:
            there = request.path  # the whole page says it, once, however often the part was asked for
        else:
            what = (
                "has left this home again"
                if transfer.to_device
                else "will not come: nobody waits for it any more"
            )
            messages.info(request, f"{transfer.to_name} {what}.")
        return HttpResponse(headers={"HX-Redirect": there}) if is_part else redirect(there)
    template = "devices/_coming_steps.html" if is_part else "devices/coming.html"
    return render(request, template, {"transfer": transfer})


@login_required
@require_http_methods(["GET", "POST"])
def coming_give_up(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    transfer = access_transfer(membership=membership, public_id=public_id)
    if request.method == "GET":
        return redirect("devices:coming", public_id)
    transfer_give_up(membership=membership, transfer=transfer)
    messages.success(
        request, f"{transfer.to_name} will not come. When it is back, it shows a code for anybody to add."
    )
    return redirect("devices:home")


def _transfer(request: HttpRequest, user: User) -> Transfer:
    """Raises what transfer_find raises, and TooMany."""
    limit_hit(f"take:{user.pk}", most=60, per_s=900, message="Too many tries.")
    return transfer_find(token=request.POST.get("token", ""))


def _taken(request: HttpRequest, user: User) -> Transfer | None:
    """Who opens the own link again wants to know where the device is."""
    return transfer_of_taker(token=request.POST.get("token", ""), user=user)


def _homes(user: User, transfer: Transfer) -> list[Membership]:
    """Where this person may take it: not to where it comes from."""
    homes = memberships_with(user, Permission.DEVICES_MANAGE)
    return [home for home in homes if home.household_id != transfer.device.household_id]


def _chosen(request: HttpRequest, user: User, transfer: Transfer) -> Membership:
    """Raises NotFound."""
    chosen = request.POST.get("household", "")
    homes = _homes(user, transfer)
    found = next((home for home in homes if str(home.household.public_id) == chosen), None)
    if found is None:
        raise NotFound("There is no such home.")
    return found


def _accept(
    request: HttpRequest, transfer: Transfer, membership: Membership, form: DeviceForm
) -> HttpResponse:
    try:
        transfer_accept(transfer=transfer, membership=membership, **form.values())
    except Invalid as error:
        return _take_page(request, membership.user, transfer, chosen=membership, form=form, error=error)
    household_choose(request, membership)
    return redirect("devices:coming", transfer.public_id)


def _take_page(
    request: HttpRequest,
    user: User,
    transfer: Transfer,
    *,
    chosen: Membership | None = None,
    form: DeviceForm | None = None,
    error: DomainError | None = None,
) -> HttpResponse:
    homes = _homes(user, transfer)
    wanted = request.POST.get("household", "")
    chosen = chosen or next((home for home in homes if str(home.household.public_id) == wanted), None)
    chosen = chosen or next(iter(homes), None)
    if chosen is not None and form is None:
        with scope(household=chosen.household):
            initial = {"name": transfer.device.name, "is_auto_answer": True}
            form = DeviceForm(household=chosen.household, initial=initial)
    context = {
        "transfer": transfer,
        "token": request.POST.get("token", ""),
        "is_own": user.memberships.filter(household_id=transfer.device.household_id).exists(),
        "home_choices": [home.household for home in homes],
        "home": chosen.household if chosen else None,
        "form": form,
        "error": error,
    }
    return render(request, "devices/take.html", context, status=error.status if error else 200)
