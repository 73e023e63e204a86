"""What was done in the household, for its owners."""

from contextlib import suppress

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.timezone import localtime
from django.views.decorators.http import require_GET, require_http_methods
from redis.exceptions import RedisError

from common.tasks import delay_now
from households.access import member_of, need
from households.models import Household
from households.record.activity import (
    ICONS,
    Group,
    activity_names,
    activity_page,
    record_check,
    record_check_asked,
)
from households.record.audit import AuditKind, audit_note
from households.record.file import CONTENT_TYPE, audit_lines
from households.record.forms import PrintForm
from households.record.paper import MARK, Selection, paper_facts, paper_parts
from households.roles import Permission
from households.tasks import audit_check_task


@login_required
@require_GET
def activity(request: HttpRequest) -> HttpResponse:
    """The page; or, for "Load more", the entries before a number."""
    household = _household(request)
    before, group, name = (request.GET.get(key, "").replace("\0", "") for key in ("before", "group", "name"))
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    context = {
        "page": activity_page(household, group=group, name=name[:200], before=number),
        "group": group,
        "name": name,
    }
    if number is not None:
        return render(request, "households/_activity_entries.html", context)
    context |= {"groups": _GROUPS, "names": activity_names(household)}
    return render(request, "households/activity.html", context)


@login_required
@require_GET
def whole(request: HttpRequest) -> HttpResponse:
    """The line that says whether the record is whole, which asks for itself until that is known."""
    household = _household(request)
    check = None
    with suppress(RedisError, OSError):  # it is asked again in a moment
        check = record_check(household)
        if check is None and record_check_asked(household):
            delay_now(audit_check_task, household.pk)
    return render(request, "households/_activity_whole.html", {"check": check})


@login_required
@require_http_methods(["GET", "POST"])
def paper(request: HttpRequest) -> HttpResponseBase:
    """What to print is chosen here; the answer to that is the page to print, and an entry that says so."""
    household = _household(request)
    form = PrintForm(household, request.POST or None, initial=request.GET.dict())
    if form.is_valid():
        return _paper(request, household, form.selection())
    return render(request, "households/print.html", {"form": form}, status=400 if form.errors else 200)


def _paper(request: HttpRequest, household: Household, selection: Selection) -> StreamingHttpResponse:
    with transaction.atomic():
        entry = audit_note(household, AuditKind.PRINTED, actor=request.user, what=selection.words)
    context = {"selection": selection, "entry": entry, "mark": MARK} | paper_facts(selection, entry)
    shell = render_to_string("households/paper.html", context, request)
    return StreamingHttpResponse(
        paper_parts(shell, selection, entry), headers={"Cache-Control": "no-store"}, content_type="text/html"
    )


@login_required
@require_http_methods(["GET", "POST"])
def export(request: HttpRequest) -> HttpResponseBase:
    """The whole record as a file, and a line in it that says so."""
    household = _household(request)
    if request.method == "GET":
        return redirect("households:activity")
    with transaction.atomic():
        entry = audit_note(household, AuditKind.EXPORTED, actor=request.user)
    name = f"activity-{localtime(entry.at):%Y-%m-%d}.jsonl"
    return StreamingHttpResponse(
        audit_lines(household, entry.number),
        content_type=CONTENT_TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _household(request: HttpRequest) -> Household:
    membership = member_of(request)
    need(membership, Permission.AUDIT_READ)
    return membership.household


_GROUPS = (
    ("", "Everything", "history"),
    (Group.PEOPLE, "People", ICONS[Group.PEOPLE]),
    (Group.DEVICES, "Devices", ICONS[Group.DEVICES]),
    (Group.RECORDINGS, "Recordings", ICONS[Group.RECORDINGS]),
    (Group.SIGN_INS, "Sign-ins", ICONS[Group.SIGN_INS]),
)
