"""Who belongs to the household, and how somebody comes to it."""

from uuid import UUID

import segno
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from common.links import outside_url
from households.access import access_invitation, member_of, need
from households.forms import InviteForm
from households.invitations import invitation_create, invitation_revoke
from households.roles import Permission, Role
from households.selectors import invitation_list, member_list


@login_required
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    membership = member_of(request)
    need(membership, Permission.PEOPLE_SEE)
    context = {"members": member_list(membership), "invitations": invitation_list(membership.household)}
    return render(request, "households/people.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    """Answers with the link, which is shown this one time."""
    membership = member_of(request)
    need(membership, Permission.PEOPLE_MANAGE)
    form = InviteForm(request.POST or None)
    context: dict[str, object] = {"form": form}
    if form.is_valid():
        role, name = Role(form.cleaned_data["role"]), form.cleaned_data["name"]
        context["invitation"], token = invitation_create(membership=membership, role=role, name=name)
        link = outside_url(request, f"{reverse('households:join')}#t={token}")
        context |= {"link": link, "qr": segno.make(link.url, error="m").svg_data_uri(scale=6, light="#fff")}
    is_refused = form.is_bound and not form.is_valid()
    response = render(request, "households/invite.html", context, status=400 if is_refused else 200)
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_http_methods(["GET", "POST"])
def invitation_take_back(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    invitation = access_invitation(
        membership=membership, public_id=public_id, permission=Permission.PEOPLE_MANAGE
    )
    if request.method == "POST":
        invitation_revoke(invitation=invitation, by=membership.user)
        messages.success(request, "The invitation was taken back. Its link opens nothing any more.")
    return redirect("people:list")
