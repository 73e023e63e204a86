"""The history, one call, and its sound."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.text import slugify
from django.utils.timezone import localtime
from django.views.decorators.http import require_GET, require_safe

from calls.access import access_call
from calls.models import Call
from calls.quality.curves import charts_of
from calls.quality.selectors import call_connection
from calls.recording.audit import recording_note
from calls.recording.parts import recording_breaks
from calls.recording.sounds import sound_open
from calls.selectors import call_is_fresh, call_list, call_sound, listening_copy_get
from common.errors import NotFound, Unavailable
from common.ranges import sound_response
from devices.sharing.rights import device_allows
from households.access import member_of
from households.roles import Permission
from sealing.files import SealError

PAGE_SIZE = 50
_NO_SOUND = "This call has no recording."


@login_required
@require_GET
def history(request: HttpRequest) -> HttpResponse:
    page = Paginator(call_list(member_of(request)), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "calls/list.html", {"page": page})


@login_required
@require_GET
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    call = access_call(membership=member_of(request), public_id=public_id, need=Permission.CALLS_SEE)
    context = {"call": call, **_player(request, call), **_connection(request, call)}
    return render(request, "calls/detail.html", context)


@login_required
@require_GET
def player(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The upper part of the page, which asks for itself until the recording is there."""
    call = access_call(membership=member_of(request), public_id=public_id, need=Permission.CALLS_SEE)
    return render(request, "calls/_player.html", {"call": call, **_player(request, call)})


@login_required
@require_GET
def connection(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The fold of the page, which asks for itself when the call ends."""
    call = access_call(membership=member_of(request), public_id=public_id, need=Permission.CALLS_SEE)
    return render(request, "calls/_connection.html", {"call": call, **_connection(request, call)})


def _player(request: HttpRequest, call: Call) -> dict[str, object]:
    sound = call_sound(call)
    breaks = recording_breaks(call) if sound.copy else []
    return {
        "sound": sound,
        "breaks": [[one.at_s, one.lasted_s] for one in breaks],
        "may_call": device_allows(member_of(request), call.device, Permission.CALL),
    }


def _connection(request: HttpRequest, call: Call) -> dict[str, object]:
    found = call_connection(call, member_of(request).user)
    is_awaited = call.is_live or (found is None and call_is_fresh(call))
    return {"connection": found, "charts": charts_of(found) if found else [], "is_awaited": is_awaited}


@login_required
@require_safe
def audio(request: HttpRequest, public_id: UUID) -> HttpResponseBase:
    call = access_call(membership=member_of(request), public_id=public_id, need=Permission.RECORDINGS_HEAR)
    copy = listening_copy_get(call)
    if copy is None:
        raise NotFound(_NO_SOUND)
    try:
        response = sound_response(request, lambda: sound_open(copy), "audio/mp4")
    except FileNotFoundError:
        raise NotFound(_NO_SOUND) from None
    except SealError:
        raise Unavailable("The file of this recording is damaged and cannot be played.") from None
    is_download = "download" in request.GET
    if request.method == "GET":
        recording_note(call=call, user=member_of(request).user, is_download=is_download)
    if is_download:
        response["Content-Disposition"] = f'attachment; filename="{_file_name(call)}"'
    return response


def _file_name(call: Call) -> str:
    """Plain letters only, so that it needs no encoding in a header."""
    return f"{slugify(_device_name(call)) or 'call'}-{localtime(call.created_at):%Y-%m-%d-%H%M}.m4a"


def _device_name(call: Call) -> str:
    """Of a row that went through calls_visible()."""
    name: str = call.device_name  # type: ignore[attr-defined]
    return name
