"""What people type about themselves and their household."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings

from common.names import NameField
from households.models import Language
from households.roles import Role


def time_zone_choices() -> list[tuple[str, str]]:
    """Every zone of the database but its relics, with spaces for people."""
    zones = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    return [("UTC", "UTC"), *((zone, zone.replace("_", " ")) for zone in zones)]


class ConsentForm(forms.Form):
    consent = forms.BooleanField(
        label="I agree that calls with devices of this home are recorded.",
        error_messages={"required": "Without this you cannot go on: every call of this home is recorded."},
    )


class AccountForm(forms.Form):
    name = NameField(max_length=80, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = forms.EmailField(
        label="E-mail address", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        max_length=200,
        label="Password",
        strip=False,
        help_text="At least ten characters. A short sentence is easy to remember.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def refuse(self, problems: dict[str, str]) -> None:
        """Beside the fields that have nothing against them yet."""
        for name, words in problems.items():
            if name not in self.errors:
                self.add_error(name, words)


class JoinForm(AccountForm, ConsentForm):
    """Somebody who has no account yet."""

    def account(self) -> dict[str, str]:
        """What households.accounts.services.account_create() takes. Call after is_valid()."""
        return {name: self.cleaned_data[name] for name in ("name", "email", "password")}


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices, label="Role", initial=Role.ADULT)


class InviteForm(RoleForm):
    name = NameField(
        max_length=80,
        required=False,
        label="Who is it for?",
        help_text="So that you know which invitation is whose. You may leave it empty.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class HouseholdForm(forms.Form):
    household_name = NameField(
        max_length=80,
        label="Name of your home",
        widget=forms.TextInput(attrs={"placeholder": "Maple Street", "autocomplete": "off"}),
    )
    time_zone = forms.ChoiceField(choices=time_zone_choices, label="Time zone", initial="UTC")
    language = forms.ChoiceField(
        choices=Language.choices,
        label="Language you speak at home",
        help_text="Transcripts and the voice of announcements use it.",
    )


class NewHomeForm(HouseholdForm, ConsentForm):
    """One more home, of somebody who has an account."""


class SettingsForm(HouseholdForm):
    hides_addresses = forms.BooleanField(
        required=False,
        label="Hide network addresses",
        help_text="All sound goes through the hub's relay. Browsers and devices then do not tell the hub the "
        "addresses of their own networks. Calls begin a little later. The hub needs a relay of its own for this.",
        widget=forms.CheckboxInput(attrs={"role": "switch"}),
    )

    def clean_hides_addresses(self) -> bool:
        is_wanted = bool(self.cleaned_data["hides_addresses"])
        if is_wanted and not settings.TURN_URLS:
            raise forms.ValidationError(
                "This was not saved: the hub has no relay yet, and without one no call would come about. Whoever runs "
                "the hub can add one, see docs/subsystems/networks.md."
            )
        return is_wanted


class SetupForm(AccountForm, HouseholdForm, ConsentForm):
    field_order = ("token", "name", "email", "password", "household_name", "time_zone", "language", "consent")

    token = forms.CharField(
        max_length=100,
        label="Set-up token",
        help_text="It stands in the window in which the hub was started.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}),
    )
    wants_models = forms.BooleanField(required=False, label="Download better speech now")

    def owner(self) -> dict[str, Any]:
        """What households.services.owner_create() takes. Call after is_valid()."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if name not in ("wants_models", "consent")
        }

    def secrets(self) -> dict[str, str]:
        """What households.services.setup_problems() takes, also of a form that is not valid."""
        return {name: self.data.get(name, "") for name in ("token", "name", "email", "password")}


class TokenForm(forms.Form):
    name = NameField(
        max_length=80,
        label="What is it for?",
        widget=forms.TextInput(attrs={"placeholder": "Wall tablet", "autocomplete": "off"}),
    )
