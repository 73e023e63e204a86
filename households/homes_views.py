"""Being in a household at all: leaving one, and what somebody sees who is in none."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from households.access import SESSION_KEY, member_of
from households.models import User
from households.people import member_leave
from households.roles import Role
from households.selectors import departure_last, member_list


@login_required
@require_http_methods(["GET", "POST"])
def leave(request: HttpRequest) -> HttpResponse:
    """The only owner is offered to hand over instead."""
    membership = member_of(request)
    if request.method == "POST" and request.POST.get("sure"):
        member_leave(membership=membership)
        request.session.pop(SESSION_KEY, None)
        messages.success(request, f"You left {membership.household}.")
        return redirect("devices:home")
    others = [member for member in member_list(membership) if member.pk != membership.pk]
    context = {
        "others": others,
        "adults": [member for member in others if member.role == Role.ADULT],
        "must_hand_over": membership.role == Role.OWNER
        and all(member.role != Role.OWNER for member in others),
    }
    return render(request, "households/leave.html", context)


def nowhere(request: HttpRequest) -> HttpResponse:
    """For somebody who is signed in and belongs to no household: what happened, and what they can do."""
    departure = departure_last(request.user) if isinstance(request.user, User) else None
    return render(request, "households/nowhere.html", {"departure": departure}, status=403)
