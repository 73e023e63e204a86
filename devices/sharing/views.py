"""Rooms, who may do what in them and with a device, and lending."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from common.errors import DomainError, NotFound
from common.links import outside_url
from devices.access import access_device, access_device_past, access_room
from devices.models import Device, Loan, Room
from devices.past import device_past
from devices.rooms import may_remove, room_remove, room_rename
from devices.selectors import device_list_for
from devices.sharing.forms import LoanForm, RulesForm, lendable
from devices.sharing.loans import loan_create, loan_end, loan_list, loan_use
from devices.sharing.rules import choices_of, has_rules, members_to_name, rules_save
from households.access import member_of, need
from households.accounts.shown_once import secret_keep, secret_take, shows_secret
from households.models import Membership
from households.roles import Permission, allows


def who_may(membership: Membership, place: Device | Room) -> dict[str, object]:
    """What devices/_who_may.html shows; nothing for whoever may not change it."""
    if not allows(membership.role, Permission.HOUSEHOLD_MANAGE):
        return {}
    return {"choices": choices_of(place, membership), "people": members_to_name(membership)}


@login_required
@require_http_methods(["GET", "POST"])
def room(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    place = access_room(membership=membership, public_id=public_id)
    if request.method == "POST":
        try:
            room_rename(membership=membership, room=place, name=request.POST.get("name", ""))
        except DomainError as error:
            return _room_page(request, place, error)
        messages.success(request, "Saved.")
        return redirect("devices:room", public_id)
    return _room_page(request, place)


def _room_page(request: HttpRequest, place: Room, error: DomainError | None = None) -> HttpResponse:
    membership = member_of(request)
    devices = device_list_for(membership).filter(room=place)
    context = {"room": place, "devices": devices, "error": error, **who_may(membership, place)}
    context |= {"rules_url": reverse("devices:room-rules", args=[place.public_id])}
    context |= {"may_remove": may_remove(membership, place)}
    context |= {"is_ruled": "choices" not in context and has_rules(place)}
    return render(request, "devices/room.html", context, status=error.status if error else 200)


@login_required
@require_http_methods(["GET", "POST"])
def room_rules(request: HttpRequest, public_id: UUID) -> HttpResponse:
    place = access_room(membership=member_of(request), public_id=public_id)
    return _rules(request, place, reverse("devices:room", args=[public_id]))


@login_required
@require_http_methods(["GET", "POST"])
def room_remove_empty(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    place = access_room(membership=membership, public_id=public_id)
    need(membership, Permission.DEVICES_MANAGE)
    if request.method == "GET":
        return redirect("devices:room", public_id)
    room_remove(membership=membership, room=place)
    messages.success(request, f"{place} was removed.")
    return redirect("devices:home")


@login_required
@require_http_methods(["GET", "POST"])
def device_rules(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    device = access_device(membership=membership, public_id=public_id, need=Permission.HOUSEHOLD_MANAGE)
    return _rules(request, device, reverse("devices:detail", args=[public_id]))


@login_required
@require_http_methods(["GET", "POST"])
def device_past_rules(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A device that left: who may hear what was said with it."""
    membership = member_of(request)
    need(membership, Permission.HOUSEHOLD_MANAGE)
    device = access_device_past(membership=membership, public_id=public_id)
    page = reverse("devices:past-rules", args=[device.public_id])
    if device.revoked_at is None:
        return redirect(f"{reverse('devices:detail', args=[device.public_id])}#who-may")
    if request.method == "POST":
        return _rules(request, device, page)
    past = device_past(membership=membership, public_id=public_id)
    context = {"device": device, "past": past, "rules_url": page, **who_may(membership, device)}
    return render(request, "devices/past.html", context)


def _rules(request: HttpRequest, place: Device | Room, page: str) -> HttpResponse:
    membership = member_of(request)
    need(membership, Permission.HOUSEHOLD_MANAGE)
    if request.method == "POST":
        try:
            named = RulesForm(request.POST, membership=membership, place=place).named()
            rules_save(membership=membership, place=place, named=named)
        except DomainError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, "Saved.")
    return redirect(f"{page}#who-may")


@login_required
@require_http_methods(["GET", "POST"])
def lend(request: HttpRequest, public_id: UUID) -> HttpResponseBase:
    """For somebody new it leads to the link."""
    membership = member_of(request)
    device = access_device(membership=membership, public_id=public_id, need=Permission.LEND)
    initial = {"talk": True, "until": "hour", "to": request.GET.get("to", "")}
    form = LoanForm(request.POST or None, membership=membership, device=device, initial=initial)
    context: dict[str, object] = {"form": form, "device": device}
    if form.is_valid():
        try:
            made, token = loan_create(membership=membership, device=device, **form.values())
        except DomainError as error:
            return render(request, "devices/lend.html", {**context, "error": error}, status=error.status)
        if token:
            secret_keep(request, of=made, secret=token)
            return redirect("devices:loan", public_id, made.public_id)
        messages.success(request, f"{device.name} is lent.")
        return redirect(f"{reverse('devices:detail', args=[public_id])}#lent")
    return render(request, "devices/lend.html", context, status=400 if form.errors else 200)


@login_required
@require_GET
@shows_secret
def loan(request: HttpRequest, public_id: UUID, loan_id: UUID) -> HttpResponse:
    """The link, at the first look; later what has become of it."""
    membership = member_of(request)
    device = access_device(membership=membership, public_id=public_id, need=Permission.LEND)
    found = _loan(device, loan_id)
    context: dict[str, object] = {"device": device, "loan": found, "is_alive": found in loan_list(device)}
    token = secret_take(request, of=found)
    if token and context["is_alive"] and found.member is None:
        context["link"] = outside_url(request, f"{reverse('households:join')}#t={token}")
    return render(request, "devices/loan.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def loan_end_now(request: HttpRequest, public_id: UUID, loan_id: UUID) -> HttpResponse:
    membership = member_of(request)
    device = access_device(membership=membership, public_id=public_id, need=Permission.LEND)
    found = _loan(device, loan_id)
    if request.method == "POST":
        was_used = loan_use(found)
        loan_end(loan=found, by=membership.user)
        what_else = " The call was ended." if was_used and not loan_use(found) else ""
        messages.success(request, f"{device.name} is lent no more.{what_else}")
    return redirect(f"{reverse('devices:detail', args=[public_id])}#lent")


def _loan(device: Device, loan_id: UUID) -> Loan:
    """Raises NotFound."""
    loans = Loan.objects.select_related("member__user", "invitation", "device", "household")
    found = loans.filter(device=device, public_id=loan_id).first()
    if found is None:
        raise NotFound("There is no such loan.")
    return found


def lent(membership: Membership, device: Device) -> dict[str, object]:
    """What devices/_lent.html shows."""
    if not allows(membership.role, Permission.LEND):
        return {}
    loans = [(loan, loan_use(loan)) for loan in loan_list(device)]
    return {"loans": loans, "lendable": lendable(membership, device)}
