"""What becomes of a claimed device: another key, and the end."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from devices.access import access_device
from devices.identity.keys import device_key_ask
from devices.life.transfers import transfer_open
from devices.models import Device
from devices.selectors import key_changed_at, key_shown
from devices.services import device_remove
from households.access import member_of
from households.roles import Permission


@login_required
@require_http_methods(["GET", "POST"])
def key(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Asks the device for another key. htmx looks here whether it has it."""
    membership = member_of(request)
    device = access_device(membership=membership, public_id=public_id, need=Permission.DEVICES_MANAGE)
    if request.method == "POST":
        device_key_ask(membership=membership, device=device)
    elif request.headers.get("HX-Request"):
        return render(request, "devices/_new_key.html", {"device": device, **life_of(device)})
    return redirect("devices:detail", public_id)


@login_required
@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    device = access_device(membership=membership, public_id=public_id, need=Permission.DEVICES_MANAGE)
    if request.method == "GET":  # people open the address again
        return redirect("devices:detail", public_id)
    was_online = device.presence.is_online
    device_remove(membership=membership, device=device)
    messages.success(request, _removed_words(device, was_online=was_online))
    return redirect("devices:home")


def life_of(device: Device) -> dict[str, object]:
    """What the page of a device shows of it."""
    return {
        "key": key_shown(device.fingerprint_sha256),
        "key_changed_at": key_changed_at(device),
        "transfer": transfer_open(device),
    }


def _removed_words(device: Device, *, was_online: bool) -> str:
    words = f"{device.name} was removed. Its calls and recordings are still here."
    if was_online or device.is_foreign:
        return words
    return f"{words} It is locked out now, and forgets this home when it is back."
