"""Home, and the pages of a device. The way to a new one is in devices.claiming.views."""

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from devices.access import access_device
from devices.foreign import USUAL_NAME, device_token_renew, foreign_device_create
from devices.forms import DeviceForm, DeviceSettingsForm
from devices.life.transfers import transfers_coming
from devices.life.views import life_of
from devices.models import Device
from devices.reach import whip_address
from devices.selectors import (
    certificate_current,
    device_joining,
    device_name_free,
    device_token_get,
    loans_own_fetch,
    room_cards,
)
from devices.services import device_update
from devices.sharing.over import loans_over
from devices.sharing.rights import device_rings, has_right, loans_to_come
from devices.sharing.rules import may_part
from devices.sharing.views import lent, who_may
from households.access import member_of, need
from households.accounts.shown_once import secret_keep, secret_take, shows_secret
from households.models import Membership
from households.roles import Permission, allows


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    membership = member_of(request)
    cards = room_cards(membership)
    speakers = [device for card in cards for device in card.devices if not device.is_foreign]
    may_announce = any(has_right(device, Permission.ANNOUNCE) for device in speakers)
    may_manage = allows(membership.role, Permission.DEVICES_MANAGE)
    coming = transfers_coming(membership=membership) if may_manage else []
    context = {
        "cards": cards,
        "may_announce": may_announce,
        "coming": coming,
        "loans_over": loans_over(membership),
        "loans_to_come": loans_to_come(membership),
    }
    return render(request, "devices/home.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def add_foreign(request: HttpRequest) -> HttpResponse:
    """A device that shows no code: it gets an address and a token instead."""
    membership = member_of(request)
    need(membership, Permission.DEVICES_MANAGE)
    initial = {"name": device_name_free(membership.household, USUAL_NAME)}
    form = DeviceForm(request.POST or None, household=membership.household, can_ring=False, initial=initial)
    if form.is_valid():
        values = form.values()
        device = foreign_device_create(membership=membership, name=values["name"], room=values["room"])
        return redirect("devices:joining", device.public_id)
    return render(request, "devices/add_foreign.html", {"form": form}, status=400 if form.is_bound else 200)


@login_required
@require_GET
def joining(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The steps of a device that was just claimed. htmx asks for the steps alone."""
    device = access_device(membership=member_of(request), public_id=public_id, need=Permission.DEVICES_MANAGE)
    template = "devices/_joining_steps.html" if request.headers.get("HX-Request") else "devices/joining.html"
    context = {"device": device, "progress": device_joining(device), **_connection(request, device)}
    return render(request, template, context)


@login_required
@require_http_methods(["GET", "POST"])
def token(request: HttpRequest, public_id: UUID) -> HttpResponse:
    device = access_device(membership=member_of(request), public_id=public_id, need=Permission.DEVICES_MANAGE)
    if request.method == "GET":
        return redirect("devices:detail", public_id)
    made, secret = device_token_renew(device=device, actor=member_of(request).user)
    secret_keep(request, of=made, secret=secret)
    return redirect("devices:token-new", public_id, made.public_id)


@login_required
@require_GET
@shows_secret
def token_new(request: HttpRequest, public_id: UUID, token_id: UUID) -> HttpResponse:
    """A part of a page: the connection's facts and, at the first look, the token itself."""
    device = access_device(membership=member_of(request), public_id=public_id, need=Permission.DEVICES_MANAGE)
    if not request.headers.get("HX-Request"):
        return redirect("devices:detail", public_id)
    context = {"device": device, **_connection(request, device)}
    if (current := device_token_get(device)) and current.public_id == token_id:
        context["new_token"] = secret_take(request, of=current)
    return render(request, "devices/_whip.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    needed = Permission.DEVICES_MANAGE if request.method == "POST" else Permission.DEVICES_SEE
    device = access_device(membership=membership, public_id=public_id, need=needed)
    form = DeviceSettingsForm(request.POST or None, device=device, membership=membership)
    if form.is_valid():
        device_update(membership=membership, device=device, **form.values())
        messages.success(request, "Saved.")
        return redirect("devices:detail", public_id)
    context = {"device": device, "form": form, "certificate": certificate_current(device)}
    context |= _connection(request, device) | life_of(device) | lent(membership, device)
    context |= who_may(membership, device)
    loans_own_fetch(device, membership)
    context["rules_url"] = reverse("devices:device-rules", args=[public_id])
    context |= {"may_part": may_part(membership, device), "keeps": _kept_from(membership, device)}
    return render(request, "devices/detail.html", context, status=400 if form.is_bound else 200)


@login_required
@require_GET
def call(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The call itself happens in static/js/pages/devices/call.js, over the socket."""
    membership = member_of(request)
    device = access_device(membership=membership, public_id=public_id, need=Permission.CALL)
    if membership.consented_at is None:
        return redirect(f"{reverse('households:consent')}?{urlencode({'next': request.get_full_path()})}")
    return render(request, "devices/call.html", {"device": device, "rings": device_rings(device)})


def _kept_from(membership: Membership, device: Device) -> list[str]:
    """What a rule keeps from a member besides calling and announcing, in sentences."""
    if not allows(membership.role, Permission.DEVICES_SEE):
        return []
    words = []
    if device.is_auto_answer and has_right(device, Permission.CALL) and device_rings(device):
        words.append("You may not listen into it: it does not answer you by itself, it rings.")
    hear = Permission.RECORDINGS_HEAR
    if allows(membership.role, hear) and not has_right(device, hear):
        words.append("You may not hear its recordings.")
    return words


def _connection(request: HttpRequest, device: Device) -> dict[str, object]:
    """Where and how a foreign device connects."""
    if not device.is_foreign:
        return {}
    return {"whip": whip_address(request), "token": device_token_get(device)}
