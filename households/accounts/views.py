"""The page of a person's own account."""

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from common.errors import Conflict
from households.accounts import sign_in
from households.accounts.forms import EmailForm, NameForm
from households.accounts.sign_ins import sign_in_is_this, sign_in_list
from households.accounts.tries import try_was_right
from households.models import User


def absent(request: HttpRequest, **_: object) -> HttpResponse:
    """What allauth has and this hub does not."""
    raise Http404


@login_required
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    user = _person(request)
    form = NameForm(request.POST or None, initial={"name": user.name})
    if form.is_valid():
        sign_in.name_change(user=user, name=form.cleaned_data["name"])
        messages.success(request, "Saved.")
        return redirect("households:account")
    ways = {kind: [] for kind in Authenticator.Type.values}  # type: dict[str, list[Authenticator]]
    for way in Authenticator.objects.filter(user=user).order_by("created_at"):
        ways[way.type].append(way)
    codes = ways[sign_in.RECOVERY_CODES]
    context = {
        "person": user,
        "form": form,
        "passkeys": ways[sign_in.PASSKEY],
        "has_app": bool(ways[sign_in.APP]),
        "has_codes": bool(codes),
        "codes_left": len(codes[0].wrap().get_unused_codes()) if codes else 0,
        "has_second": bool(ways[sign_in.APP] or ways[sign_in.PASSKEY]),
        "sign_ins": [(row, sign_in_is_this(row, request)) for row in sign_in_list(user)],
    }
    return render(request, "account/account.html", context, status=400 if form.is_bound else 200)


@sensitive_post_parameters("password")
@login_required
@require_http_methods(["GET", "POST"])
def email(request: HttpRequest) -> HttpResponse:
    user = _person(request)
    form = EmailForm(request.POST or None, user=user)
    if form.is_valid():
        try:
            sign_in.email_change(user=user, email=form.cleaned_data["email"])
        except Conflict as error:
            form.add_error("email", error.message)
        else:
            try_was_right(request)
            messages.success(request, "From now on you sign in with this address.")
            return redirect("households:account")
    return render(request, "account/email.html", {"form": form}, status=400 if form.is_bound else 200)


@login_required
@require_http_methods(["GET", "POST"])
def session_end(request: HttpRequest, pk: int) -> HttpResponse:
    if request.method == "GET":
        return redirect("households:account")
    sign_in.browser_sign_out(user=_person(request), pk=pk)
    messages.success(request, "That browser is signed out.")
    return redirect("households:account")


@login_required
@require_http_methods(["GET", "POST"])
def sessions_end(request: HttpRequest) -> HttpResponse:
    if request.method == "GET":
        return redirect("households:account")
    sign_in.browsers_sign_out(user=_person(request), but=request)
    messages.success(request, "You are signed out everywhere else.")
    return redirect("households:account")


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Http404
    return request.user
