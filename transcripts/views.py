"""The words of a call, as a part of its page."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from calls.access import access_call
from calls.models import Call
from common.tasks import delay_on_commit
from households.access import member_of
from households.roles import Permission
from transcripts.selectors import conversation_get, transcript_stuck_list
from transcripts.services import transcript_retry
from transcripts.tasks import transcript_create_task


@login_required
@require_GET
def partial(request: HttpRequest, public_id: UUID) -> HttpResponse:
    return _answer(request, _call(request, public_id))


@login_required
@require_http_methods(["GET", "POST"])
def retry(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Write again what failed or waits."""
    call = _call(request, public_id)
    if request.method == "GET":
        return redirect("calls:detail", public_id)
    for transcript in transcript_stuck_list(call):
        transcript_retry(transcript=transcript)
        delay_on_commit(transcript_create_task, transcript.pk)
    return _answer(request, call)


def _call(request: HttpRequest, public_id: UUID) -> Call:
    return access_call(membership=member_of(request), public_id=public_id, need=Permission.RECORDINGS_HEAR)


def _answer(request: HttpRequest, call: Call) -> HttpResponse:
    context = {"call": call, "conversation": conversation_get(call)}
    return render(request, "transcripts/_conversation.html", context)
