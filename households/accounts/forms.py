"""What a person types about their account: allauth's forms with our limits and words, and our own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.account.forms import (
    ChangePasswordForm,
    LoginForm,
    ReauthenticateForm,
    ResetPasswordForm,
    ResetPasswordKeyForm,
)
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as ReauthenticateByCodeForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
)
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction

from common.names import REFUSED, NameField, name_bare
from households.accounts.sign_in import (
    ADDRESS_TAKEN,
    APP,
    PASSKEY,
    RECOVERY_CODES,
    passkey_renamed,
    sign_in_refused,
)
from households.accounts.tries import account_try, code_use
from households.models import User

_ADDRESS: Final = "E-mail address"
_PASSWORD_HINT: Final = "At least ten characters. A short sentence is easy to remember."  # noqa: S105
_NAME_LENGTH: Final = 80
PASSKEY_UNKNOWN: Final = (
    "This passkey is not known here any more. Sign in with your password, "
    "and remove the passkey from your device or password manager."
)
_PASSKEY_FAILED: Final = "The passkey did not work this time. Try again."


def _plain(form: forms.Form, labels: dict[str, str]) -> None:
    """Our labels, and no second one inside the field."""
    for name, field in form.fields.items():
        field.widget.attrs.pop("placeholder", None)
        field.label = labels.get(name, field.label)


class SignInForm(LoginForm):  # type: ignore[misc]  # allauth has no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self, {"login": _ADDRESS, "password": "Password"})
        # What password managers and passkeys in the field's own list look for.
        self.fields["login"].widget.attrs |= {"autocomplete": "username webauthn", "autocapitalize": "off"}


class AskAgainForm(ReauthenticateForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self, {"password": "Password"})


class ForgottenForm(ResetPasswordForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self, {"email": _ADDRESS})
        self.fields["email"].widget.attrs["autocomplete"] = "username"


class NewPasswordForm(ResetPasswordKeyForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self, {"password1": "New password", "password2": "New password, once more"})
        self.fields["password1"].help_text = _PASSWORD_HINT


class PasswordForm(ChangePasswordForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(
            self,
            {
                "oldpassword": "Your password now",
                "password1": "New password",
                "password2": "New password, once more",
            },
        )
        self.fields["oldpassword"].help_text = ""
        self.fields["password1"].help_text = _PASSWORD_HINT

    def clean_oldpassword(self) -> str:
        with _counted(self.user):
            password: str = super().clean_oldpassword()
        return password

    def clean(self) -> dict[str, Any]:
        """Compared with what was typed, which is counted: any other way one could try passwords here without limit."""
        values = dict(super().clean() or {})
        if values.get("password1") and values["password1"] == values.get("oldpassword"):
            self.add_error("password1", "This is your password now. Choose another one.")
        return values


class EmailForm(forms.Form):
    """Raises Unavailable while tries cannot be counted."""

    email = forms.EmailField(
        label="New e-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autocapitalize": "off"}),
    )
    password = forms.CharField(
        label="Your password",
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        with _counted(self.user):
            if not self.user.check_password(password):
                raise get_adapter().validation_error("incorrect_password")
        return password

    def clean(self) -> dict[str, Any]:
        """Who has which address is told only to whoever knows a password."""
        values = dict(super().clean() or {})
        email = str(values.get("email", "")).lower()
        if not self.errors and User.objects.filter(email=email).exclude(pk=self.user.pk).exists():
            self.add_error("email", ADDRESS_TAKEN)
        return values


class NameForm(forms.Form):
    name = NameField(
        label="Your name", max_length=_NAME_LENGTH, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )


class _Code:
    """Counts wrong codes together with wrong passwords, and takes none twice."""

    def clean_code(self) -> str:
        user: User = self.user  # type: ignore[attr-defined]
        with _counted(user):
            code: str = super().clean_code()  # type: ignore[misc]
            if not code_use(user, code):
                raise ValidationError("This code was used already. Wait for the next one.")
        return code


class _CodeOfMany(_Code):
    """Asks for what the person has, and knows it for the page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        user: User = self.user  # type: ignore[attr-defined]
        kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
        self.has_app, self.has_codes = APP in kinds, RECOVERY_CODES in kinds
        self.has_passkey = PASSKEY in kinds
        words = "Code of the app, or a recovery code" if self.has_codes else "Code of the app"
        _plain(self, {"code": words if self.has_app else "Recovery code"})  # type: ignore[arg-type]


class CodeForm(_CodeOfMany, AuthenticateForm):  # type: ignore[misc]
    pass


class AskAgainByCodeForm(_CodeOfMany, ReauthenticateByCodeForm):  # type: ignore[misc]
    pass


class AppForm(_Code, ActivateTOTPForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self, {"code": "Code that the app shows"})


class _ByPasskey:
    """Says what is wrong: of codes, as in allauth's own words, nobody here has heard."""

    def clean_credential(self) -> Any:
        try:
            return super().clean_credential()  # type: ignore[misc]
        except ValidationError as error:
            if error.code != "incorrect_code":
                raise
            is_known = _passkey_is_known(self.cleaned_data["credential"])  # type: ignore[attr-defined]
            raise ValidationError(_PASSKEY_FAILED if is_known else PASSKEY_UNKNOWN) from None


class PasskeySignInForm(_ByPasskey, LoginWebAuthnForm):  # type: ignore[misc]
    pass


class PasskeySecondForm(_ByPasskey, AuthenticateWebAuthnForm):  # type: ignore[misc]
    pass


class PasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self, {"name": "Name of the passkey"})
        self.fields["name"].max_length = _NAME_LENGTH
        self.fields["name"].widget.attrs |= {"autocomplete": "off", "maxlength": _NAME_LENGTH}

    def clean_name(self) -> str:
        """The passkey is made already when this is looked at, so nothing is refused for its name."""
        return name_bare(str(super().clean_name()))[:_NAME_LENGTH].strip() or "My passkey"


class PasskeyNameForm(EditWebAuthnForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _plain(self, {"name": "Name of the passkey"})
        self.fields["name"].widget.attrs |= {"autocomplete": "off", "maxlength": _NAME_LENGTH}

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name_bare(name) != name:
            raise ValidationError(REFUSED)
        return name[:_NAME_LENGTH]

    def save(self) -> Any:
        old, user = self.initial["name"], context.request.user
        with transaction.atomic():
            saved = super().save()
            passkey_renamed(user, old=old, new=saved.wrap().name)
        messages.success(context.request, "Saved.")
        return saved


def _passkey_is_known(answer: Any) -> bool:
    """Of whomever it is. `answer`: what the browser sent."""
    name = str(answer.get("rawId", "")) if isinstance(answer, dict) else ""
    return bool(Authenticator.objects.filter(type=PASSKEY, data__credential__rawId=name).exists())


@contextmanager
def _counted(user: User) -> Iterator[None]:
    """One try, which counts if it was wrong. Raises ValidationError after too many.

    The last one keeps this person from signing in, too, so the record has it.
    """
    counted = account_try(context.request, user.email)
    try:
        yield
    except ValidationError:
        if counted.fail():
            sign_in_refused(user.email, is_last=True)
        raise
    counted.give_back()
