"""Several households: choosing one, making one more, leaving one, and what somebody sees who is in none."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods
from django_scopes import scope

from common.errors import Conflict, NotFound
from common.limits import limit_hit
from households.access import SESSION_KEY, household_choose, member_of, membership_in, need
from households.events import id_sought
from households.forms import NewHomeForm
from households.models import Membership, User
from households.people.members import member_leave
from households.roles import Permission, Role
from households.selectors import (
    departure_last,
    is_alone,
    lent_by,
    member_list,
    membership_list,
    why_not_closed,
)
from households.services import household_create


@login_required
@require_http_methods(["GET", "POST"])
def switch(request: HttpRequest) -> HttpResponse:
    """From now on this browser shows another household."""
    if request.method == "GET":
        return redirect("households:settings")
    chosen = membership_in(member_of(request).user, request.POST.get("household", ""))
    if chosen is None:
        raise NotFound("There is no such home.")
    household_choose(request, chosen)
    after = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(after, {request.get_host()}, request.is_secure()):
        after = "/"
    return redirect(after)


@login_required
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """One more home on this hub, of which the person is the owner."""
    membership, form = member_of(request), NewHomeForm(request.POST or None)
    need(membership, Permission.HOUSEHOLD_ADD)
    if form.is_valid():
        words = "That is many homes in one hour."
        limit_hit(f"home:{membership.user.pk}", most=5, per_s=3600, message=words)
        try:
            made = _create(membership.user, form)
        except Conflict as error:
            form.add_error("household_name", error.message)
        else:
            household_choose(request, made)
            messages.success(request, f"This is {made.household}, your new home.")
            return redirect("devices:home")
    return render(request, "households/add.html", {"form": form}, status=400 if form.is_bound else 200)


def _create(user: User, form: NewHomeForm) -> Membership:
    values = form.cleaned_data
    return household_create(
        user=user,
        name=values["household_name"],
        time_zone=values["time_zone"],
        language=values["language"],
    )


@login_required
@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest) -> HttpResponse:
    """The only owner is offered to hand over instead; whoever is alone, to close the home."""
    membership = member_of(request)
    closes = is_alone(membership)
    if request.method == "POST" and request.POST.get("sure"):
        member_leave(membership=membership)
        request.session.pop(SESSION_KEY, None)
        ending = ", and it is closed" if closes else ""
        messages.success(request, f"You left {membership.household}{ending}.")
        return redirect("devices:home")
    others = [member for member in member_list(membership) if member.pk != membership.pk]
    context = {
        "others": others,
        "closes": closes,
        "why_not": why_not_closed(membership) if closes else "",
        "lent": lent_by(membership),
        "adults": [member for member in others if member.role == Role.ADULT],
        "must_hand_over": membership.role == Role.OWNER
        and all(member.role != Role.OWNER for member in others),
    }
    return render(request, "households/leave.html", context)


def nowhere(request: HttpRequest) -> HttpResponse:
    """For somebody who is signed in and belongs to no household: what happened, and what they can do."""
    departure = departure_last(request.user) if isinstance(request.user, User) else None
    return render(request, "households/nowhere.html", {"departure": departure}, status=403)


def elsewhere(request: HttpRequest) -> HttpResponse | None:
    """Where another household of the same person has what this one lacks: a page that offers to switch."""
    match, current = request.resolver_match, getattr(request, "membership", None)
    public_id = match.kwargs.get("public_id") if match else None
    if public_id is None or current is None or request.method != "GET" or request.headers.get("HX-Request"):
        return None
    for membership in membership_list(current.user).exclude(pk=current.pk):
        if _has(membership, public_id):
            return render(request, "households/elsewhere.html", {"other": membership}, status=404)
    return None


def _has(membership: Membership, public_id: UUID) -> bool:
    with scope(household=membership.household):
        answers = id_sought.send(sender=Membership, membership=membership, public_id=public_id)
    return any(answer for _, answer in answers)
