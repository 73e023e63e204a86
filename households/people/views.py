"""Who belongs to the household, and how somebody comes to it."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from common.errors import NotFound
from common.links import outside_url
from households.access import access_invitation, access_member, member_of, membership_in, need
from households.accounts.shown_once import secret_keep, secret_take, shows_secret
from households.forms import InviteForm, RoleForm
from households.models import Membership
from households.people.invitations import invitation_create, invitation_revoke, invitation_why_closed
from households.people.members import household_hand_over, member_remove, role_change, role_news_end
from households.roles import ROLE_NOUNS, Permission, Role
from households.selectors import invitation_list, lent_by, member_list


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
    membership = member_of(request)
    need(membership, Permission.PEOPLE_MANAGE)
    form = InviteForm(request.POST or None)
    if form.is_valid():
        role, name = Role(form.cleaned_data["role"]), form.cleaned_data["name"]
        made, token = invitation_create(membership=membership, role=role, name=name)
        secret_keep(request, of=made, secret=token)
        return redirect("people:invitation", made.public_id)
    return render(request, "households/invite.html", {"form": form}, status=400 if form.is_bound else 200)


@login_required
@require_GET
@shows_secret
def invitation(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Its link, at the first look; later what has become of it."""
    found = access_invitation(
        membership=member_of(request), public_id=public_id, permission=Permission.PEOPLE_MANAGE
    )
    context: dict[str, object] = {"invitation": found, "is_closed": bool(invitation_why_closed(found))}
    if (token := secret_take(request, of=found)) and not context["is_closed"]:
        context["link"] = outside_url(request, f"{reverse('households:join')}#t={token}")
    return render(request, "households/invitation.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def invitation_take_back(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    found = access_invitation(membership=membership, public_id=public_id, permission=Permission.PEOPLE_MANAGE)
    if request.method == "POST":
        invitation_revoke(invitation=found, by=membership.user)
        messages.success(request, "The invitation was taken back. Its link opens nothing any more.")
    return redirect("people:list")


@login_required
@require_GET
def member(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What an owner may do about one person. Each of the forms has an address of its own."""
    found = _member(request, public_id)
    context = {"member": found, "form": RoleForm(initial={"role": found.role}), "lent": lent_by(found)}
    return render(request, "households/member.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def change_role(request: HttpRequest, public_id: UUID) -> HttpResponse:
    found, form = _member(request, public_id), RoleForm(request.POST)
    if request.method == "GET" or not form.is_valid():
        return redirect("people:member", public_id)
    role = Role(form.cleaned_data["role"])
    role_change(member=found, role=role, by=member_of(request))
    messages.success(request, f"{found.user} is {ROLE_NOUNS[role]} now.")
    return redirect("households:settings" if found.pk == member_of(request).pk else "people:list")


@login_required
@require_http_methods(["GET", "POST"])
def role_read(request: HttpRequest) -> HttpResponse:
    """Whoever was told that they have another role closes that, in whichever of their homes it is."""
    user = member_of(request).user
    if request.method == "POST":
        found = membership_in(user, request.POST.get("household", ""))
        if found is None:
            raise NotFound("There is no such home.")
        role_news_end(member=found, role=request.POST.get("role", ""))
    return HttpResponse() if request.headers.get("HX-Request") else redirect("devices:home")


@login_required
@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, public_id: UUID) -> HttpResponse:
    found = _member(request, public_id)
    if request.method == "GET":
        return redirect("people:member", public_id)
    member_remove(member=found, by=member_of(request))
    messages.success(request, f"{found.user} does not belong to {found.household} any more.")
    return redirect("people:list")


@login_required
@require_http_methods(["GET", "POST"])
def hand_over(request: HttpRequest, public_id: UUID) -> HttpResponse:
    found = _member(request, public_id)
    if request.method == "GET":
        return redirect("people:member", public_id)
    household_hand_over(member=found, by=member_of(request))
    messages.success(request, f"{found.user} is the owner of {found.household} now. You are an adult.")
    return redirect("people:leave" if request.POST.get("then") == "leave" else "people:list")


def _member(request: HttpRequest, public_id: UUID) -> Membership:
    return access_member(
        membership=member_of(request), public_id=public_id, permission=Permission.PEOPLE_MANAGE
    )
