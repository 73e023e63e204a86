"""Writing announcements, hearing them first, and what became of them."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from announcements.access import access_announcement, access_clip
from announcements.clips import clip_path, clip_request
from announcements.forms import AnnounceForm
from announcements.models import ClipState
from announcements.selectors import announcement_is_settled, announcement_list, phrase_list
from announcements.services import announcement_send
from announcements.tasks import clip_make_task
from common.errors import DomainError, Invalid, NotAllowed, NotFound
from common.ranges import file_response
from common.tasks import delay_on_commit
from devices.sharing.rights import need_right_somewhere
from households.access import member_of, need
from households.roles import Permission

PAGE_SIZE = 20


@login_required
@require_GET
def compose(request: HttpRequest) -> HttpResponse:
    membership = member_of(request)
    need_right_somewhere(membership, Permission.ANNOUNCE)
    initial = {
        "text": request.GET.get("text", ""),
        "devices": request.GET.getlist("device"),
        "everywhere": "everywhere" in request.GET,
    }
    return _compose_page(request, AnnounceForm(initial=initial, membership=membership))


@login_required
@require_http_methods(["GET", "POST"])
def send(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":  # after an error the form stands at this address, and people open it again
        return compose(request)
    membership = member_of(request)
    form = AnnounceForm(request.POST, membership=membership)
    try:
        if not form.is_valid():
            raise Invalid("One of the chosen devices is no longer there. Choose again.")
        announcement = announcement_send(
            membership=membership,
            text=form.cleaned_data["text"],
            devices=form.chosen_devices(),
            voice_id=form.voice(),
        )
    except (Invalid, NotAllowed) as error:
        return _compose_page(request, form, error)
    return redirect("announcements:detail", announcement.public_id)


@login_required
@require_http_methods(["GET", "POST"])
def preview(request: HttpRequest) -> HttpResponse:
    """Listen first: the clip is asked for here and made by a task; `clip` is asked until it is there."""
    membership = member_of(request)
    need(membership, Permission.ANNOUNCE)
    if request.method == "GET":
        return redirect("announcements:compose")
    form = AnnounceForm(request.POST, membership=membership)
    form.is_valid()
    text = form.cleaned_data.get("text", "")
    try:
        row = clip_request(household=membership.household, text=text, voice_id=form.voice())
    except Invalid as error:
        return render(request, "common/_error.html", {"error": error}, status=422)
    if row.state != ClipState.READY:
        delay_on_commit(clip_make_task, row.pk)
    return render(request, "announcements/_preview.html", {"clip": row})


@login_required
@require_GET
def clip(request: HttpRequest, public_id: UUID) -> HttpResponse:
    row = access_clip(membership=member_of(request), public_id=public_id)
    return render(request, "announcements/_preview.html", {"clip": row})


@login_required
@require_safe
def clip_audio(request: HttpRequest, public_id: UUID) -> HttpResponseBase:
    row = access_clip(membership=member_of(request), public_id=public_id)
    if not (path := clip_path(row)).exists():
        raise NotFound("This clip is not made yet.")
    return file_response(request, path, "audio/wav")


@login_required
@require_GET
def detail(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """htmx asks for the deliveries alone, or for the player until the clip is there."""
    announcement = access_announcement(membership=member_of(request), public_id=public_id)
    template = "announcements/detail.html"
    if request.headers.get("HX-Request"):
        is_player = request.headers.get("HX-Target") == "clip-player"
        template = "announcements/_clip.html" if is_player else "announcements/_deliveries.html"
    context = {"announcement": announcement, "is_settled": announcement_is_settled(announcement)}
    return render(request, template, context)


def _compose_page(request: HttpRequest, form: AnnounceForm, error: DomainError | None = None) -> HttpResponse:
    membership = member_of(request)
    page = Paginator(announcement_list(membership), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "error": error, "phrases": phrase_list(membership)}
    return render(request, "announcements/compose.html", context, status=error.status if error else 200)
