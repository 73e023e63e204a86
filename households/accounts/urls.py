"""Every address below accounts/: what of allauth this hub offers. What it does not, is absent.

All of allauth's names are here, since its own code leads to them; a test compares.
"""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.urls import path, re_path
from django.views.generic import RedirectView

from households.accounts.tries import guarded
from households.accounts.views import absent

home = RedirectView.as_view(pattern_name="households:account")

urlpatterns = [
    path("login/", guarded(account.login), name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", guarded(account.reauthenticate), name="account_reauthenticate"),
    path("password/change/", guarded(account.password_change), name="account_change_password"),
    path("password/reset/", guarded(account.password_reset), name="account_reset_password"),
    path("password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
    path(
        "password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        guarded(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path("2fa/authenticate/", guarded(mfa.authenticate), name="mfa_authenticate"),
    path("2fa/reauthenticate/", guarded(mfa.reauthenticate), name="mfa_reauthenticate"),
    path("2fa/totp/activate/", guarded(totp.activate_totp), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("2fa/recovery-codes/", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("2fa/recovery-codes/generate/", codes.generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path("2fa/recovery-codes/download/", codes.download_recovery_codes, name="mfa_download_recovery_codes"),
    path("2fa/webauthn/add/", passkeys.add_webauthn, name="mfa_add_webauthn"),
    path(
        "2fa/webauthn/reauthenticate/",
        guarded(passkeys.reauthenticate_webauthn),
        name="mfa_reauthenticate_webauthn",
    ),
    path("2fa/webauthn/keys/<int:pk>/remove/", passkeys.remove_webauthn, name="mfa_remove_webauthn"),
    path("2fa/webauthn/keys/<int:pk>/edit/", passkeys.edit_webauthn, name="mfa_edit_webauthn"),
    path("2fa/webauthn/login/", guarded(passkeys.login_webauthn), name="mfa_login_webauthn"),
    # The account page has it all in one place.
    path("2fa/", home, name="mfa_index"),
    path("2fa/webauthn/", home, name="mfa_list_webauthn"),
    path("sessions/", home, name="usersessions_list"),
    path("email/", home, name="account_email"),
    # Nobody signs up alone, everybody has a password, and the hub sends no mail.
    path("signup/", absent, name="account_signup"),
    path("password/set/", absent, name="account_set_password"),
    path("confirm-email/", absent, name="account_email_verification_sent"),
    re_path(r"^confirm-email/(?P<key>[-:\w]+)/$", absent, name="account_confirm_email"),
    path("login/code/confirm/", absent, name="account_confirm_login_code"),
]
