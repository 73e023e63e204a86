"""Where the link of an invitation leads, and the consent that every member gives once."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from common.errors import DomainError, NotSignedIn
from common.limits import limit_hit
from common.middleware import refusal_render
from common.network import address_group
from households.access import household_choose, member_of
from households.accounts.services import AccountRefused
from households.accounts.sign_ins import sign_in_new, sign_in_renew
from households.events import gift_sought
from households.forms import ConsentForm, JoinForm
from households.models import Invitation, Membership, User
from households.people.invitations import invitation_accept, invitation_accept_new, invitation_find
from households.people.members import consent_give


@sensitive_post_parameters("token")
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    """The secret stands in the fragment, so only the page can read it: it posts it here."""
    if request.method == "GET":
        return _page(request)
    return _with_invitation(request, None)


@sensitive_post_parameters("token", "password")
@require_http_methods(["GET", "POST"])
def join_accept(request: HttpRequest) -> HttpResponse:
    """The yes, of somebody who is signed in or makes an account here."""
    if request.method == "GET":
        return redirect("households:join")
    form = ConsentForm(request.POST) if request.user.is_authenticated else JoinForm(request.POST)
    return _with_invitation(request, form)


def _with_invitation(request: HttpRequest, form: ConsentForm | None) -> HttpResponse:
    try:
        _count(request)
        invitation = invitation_find(token=request.POST.get("token", ""))
        if form is not None and form.is_valid():
            return _welcome(request, _accept(request, form))
    except AccountRefused as refusal:
        if isinstance(form, JoinForm):
            form.refuse(refusal.fields)
    except DomainError as error:
        return _page(request, error=error)
    return _page(request, invitation=invitation, form=form)


def _count(request: HttpRequest) -> None:
    network = address_group(request.META.get("REMOTE_ADDR", ""))
    limit_hit(f"join:{network}", most=20, per_s=60, message="Too many tries.")


def _accept(request: HttpRequest, form: ConsentForm) -> Membership:
    token = request.POST["token"]
    if isinstance(form, JoinForm):
        return invitation_accept_new(token=token, **form.account())
    user = _user(request)
    if user is None:
        raise NotSignedIn("Please sign in first.")
    return invitation_accept(token=token, user=user)


def _user(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None


def _welcome(request: HttpRequest, membership: Membership) -> HttpResponse:
    """With a session id that nobody had before."""
    if request.user.is_authenticated:
        sign_in_renew(request)
    else:
        sign_in_new(request, membership.user)
    household_choose(request, membership)
    messages.success(request, f"Welcome to {membership.household}.")
    return redirect("devices:home")


def _page(
    request: HttpRequest,
    *,
    invitation: Invitation | None = None,
    form: ConsentForm | None = None,
    error: DomainError | None = None,
) -> HttpResponse:
    context: dict[str, object] = {"invitation": invitation}
    if invitation is not None:
        user = _user(request)
        context["token"] = request.POST["token"]
        answers = gift_sought.send(sender=Invitation, invitation=invitation)
        context["gifts"] = [gift for _, gifts in answers for gift in gifts or ()]
        context["form"] = form or (ConsentForm() if user else JoinForm(initial={"name": invitation.name}))
        members = Membership.objects.filter(household=invitation.household)
        context["is_member"] = user is not None and members.filter(user=user).exists()
    if error:
        response = refusal_render(request, "households/join.html", error, context)
    else:
        response = render(request, "households/join.html", context, status=400 if form else 200)
    response["Cache-Control"] = "no-store"
    return response


@login_required
@require_http_methods(["GET", "POST"])
def consent(request: HttpRequest) -> HttpResponse:
    """For members of the time before anybody was asked."""
    membership, after = member_of(request), request.POST.get("next") or request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(after, {request.get_host()}, request.is_secure()):
        after = "/"
    form = ConsentForm(request.POST or None)
    if form.is_valid():
        consent_give(membership=membership)
    if form.is_valid() or membership.consented_at:
        return redirect(after)
    status = 400 if form.is_bound else 200
    return render(request, "households/consent.html", {"form": form, "after": after}, status=status)
