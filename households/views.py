"""The first visit, and the settings of a person and of a household."""

from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.conf import settings as hub_settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from common.errors import Conflict, DomainError
from common.middleware import refusal_render
from common.speech_models import model_offers
from common.tasks import delay_on_commit, speech_model_download_task
from households.access import access_token, member_of, need
from households.accounts.shown_once import secret_keep, secret_take, shows_secret
from households.accounts.sign_ins import sign_in_new
from households.forms import SettingsForm, SetupForm, TokenForm
from households.models import Membership
from households.roles import Permission
from households.selectors import api_token_list
from households.services import (
    SetupRefused,
    api_token_create,
    api_token_revoke,
    household_update,
    owner_create,
    owner_exists,
    setup_problems,
)


@require_http_methods(["GET", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """The owner's account and the household, guarded by the token that the console printed."""
    if owner_exists():
        return redirect("devices:home")
    offers = model_offers(hub_settings.LANGUAGE_CODE)
    form = SetupForm(request.POST or None, initial={"token": request.GET.get("token", "")})
    error = None
    if form.is_bound:
        try:
            return _begin(request, form)
        except SetupRefused as refusal:
            form.refuse(refusal.fields)
        except DomainError as problem:
            error = problem
    context: dict[str, object] = {
        "form": form,
        "offers": offers,
        "offers_bytes": sum(offer.size_bytes for offer in offers),
    }
    if error:
        return refusal_render(request, "households/setup.html", error, context)
    return render(request, "households/setup.html", context, status=400 if form.is_bound else 200)


def _begin(request: HttpRequest, form: SetupForm) -> HttpResponse:
    """Raises SetupRefused, also for a form that is not valid: then with what else is wrong."""
    if not form.is_valid():
        raise SetupRefused(setup_problems(**form.secrets()))
    membership = owner_create(**form.owner())
    sign_in_new(request, membership.user)
    if form.cleaned_data["wants_models"]:
        for model in model_offers(form.cleaned_data["language"]):
            delay_on_commit(speech_model_download_task, model.id)
    return redirect("devices:home")


@login_required
@require_http_methods(["GET", "POST"])
def settings(request: HttpRequest) -> HttpResponse:
    membership = member_of(request)
    household = membership.household
    initial = {
        "household_name": household.name,
        "time_zone": household.time_zone,
        "language": household.language,
        "hides_addresses": household.hides_addresses,
    }
    form = SettingsForm(request.POST or None, initial=initial)
    if form.is_bound:
        need(membership, Permission.HOUSEHOLD_MANAGE)
    if form.is_valid():
        try:
            _update(membership, form)
        except Conflict as error:
            form.add_error("household_name", error.message)
        else:
            messages.success(request, "Saved.")
            return redirect("households:settings")
    context = {"form": form, "tokens": api_token_list(membership)}
    return render(request, "households/settings.html", context, status=400 if form.is_bound else 200)


def _update(membership: Membership, form: SettingsForm) -> None:
    values = form.cleaned_data
    household_update(
        household=membership.household,
        by=membership.user,
        name=values["household_name"],
        time_zone=values["time_zone"],
        language=values["language"],
        hides_addresses=values["hides_addresses"],
    )


@login_required
@require_http_methods(["GET", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth has no types
def token_create(request: HttpRequest) -> HttpResponse:
    membership, form = member_of(request), TokenForm(request.POST or None)
    need(membership, Permission.TOKENS_MAKE)
    if form.is_valid():
        made, secret = api_token_create(membership=membership, name=form.cleaned_data["name"])
        secret_keep(request, of=made, secret=secret)
        return redirect("households:token", made.public_id)
    return render(request, "households/token_create.html", {"form": form}, status=400 if form.errors else 200)


@login_required
@require_GET
@shows_secret
def token(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The token itself, at the first look."""
    membership = member_of(request)
    need(membership, Permission.TOKENS_MAKE)
    found = access_token(membership=membership, public_id=public_id, is_revoked_too=True)
    secret = secret_take(request, of=found)
    context = {"token": found, "new_token": "" if found.revoked_at else secret}
    return render(request, "households/token.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def token_revoke(request: HttpRequest, public_id: UUID) -> HttpResponse:
    membership = member_of(request)
    if request.method == "GET":
        access_token(membership=membership, public_id=public_id)
        return redirect("households:settings")
    api_token_revoke(membership=membership, public_id=str(public_id))
    return render(request, "households/_tokens.html", {"tokens": api_token_list(membership)})
