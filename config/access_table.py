"""Who may do what, for every address and every method. One table; what it does not name is refused.

config.access enforces it, and `docs/subsystems/tenancy.md` tells of it. HEAD goes where GET goes.
"""

from typing import Final

from devices.gate import OfDevice, Row, Who
from households.roles import Permission

_P = Permission
OPEN, PERSON, MEMBER = Who.EVERYBODY, Who.PERSON, Who.MEMBER
TOKEN, OPERATOR = Who.TOKEN, Who.OPERATOR
SEE, CALL = OfDevice(_P.DEVICES_SEE), OfDevice(_P.CALL)
HEAR, ANNOUNCE = OfDevice(_P.RECORDINGS_HEAR), OfDevice(_P.ANNOUNCE)

# What programs ask, without a session.
_PROGRAMS: Final[dict[str, dict[str, Row]]] = {
    "healthz": {"GET": OPEN},
    "readyz": {"GET": OPEN},
    "metrics": {"GET": OPERATOR},
    "api/v1/devices/authorizations": {"POST": OPEN},
    "api/v1/devices/token": {"POST": OPEN},
    "api/v1/clips/<uuid:delivery_id>": {"GET": OPEN},  # the signed link is the permission
    "api/v1/whip": {"POST": TOKEN, "OPTIONS": OPEN},
    "api/v1/whip/<uuid:public_id>": {"PATCH": TOKEN, "DELETE": TOKEN, "OPTIONS": OPEN},
    "api/v1/schema": {"GET": OPEN},
}
_SIGNING_IN: Final[dict[str, dict[str, Row]]] = {
    "accounts/login/": {"GET": OPEN, "POST": OPEN},
    "accounts/logout/": {"GET": OPEN, "POST": OPEN},
    "accounts/inactive/": {"GET": OPEN},
    "accounts/reauthenticate/": {"GET": PERSON, "POST": PERSON},
    "accounts/password/change/": {"GET": PERSON, "POST": PERSON},
    "accounts/password/reset/": {"GET": OPEN, "POST": OPEN},
    "accounts/password/reset/done/": {"GET": OPEN},
    "accounts/password/reset/key/done/": {"GET": OPEN},
    r"accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": {"GET": OPEN, "POST": OPEN},
    "accounts/2fa/authenticate/": {"GET": OPEN, "POST": OPEN},  # half signed in
    "accounts/2fa/reauthenticate/": {"GET": PERSON, "POST": PERSON},
    "accounts/2fa/totp/activate/": {"GET": PERSON, "POST": PERSON},
    "accounts/2fa/totp/deactivate/": {"GET": PERSON, "POST": PERSON},
    "accounts/2fa/recovery-codes/": {"GET": PERSON},
    "accounts/2fa/recovery-codes/generate/": {"GET": PERSON, "POST": PERSON},
    "accounts/2fa/recovery-codes/download/": {"GET": PERSON},
    "accounts/2fa/webauthn/add/": {"GET": PERSON, "POST": PERSON},
    "accounts/2fa/webauthn/reauthenticate/": {"GET": PERSON, "POST": PERSON},
    "accounts/2fa/webauthn/keys/<int:pk>/remove/": {"GET": PERSON, "POST": PERSON},
    "accounts/2fa/webauthn/keys/<int:pk>/edit/": {"GET": PERSON, "POST": PERSON},
    "accounts/2fa/webauthn/login/": {"GET": OPEN, "POST": OPEN},
    # These lead to the page of the account.
    "accounts/2fa/": {"GET": PERSON},
    "accounts/2fa/webauthn/": {"GET": PERSON},
    "accounts/sessions/": {"GET": PERSON},
    "accounts/email/": {"GET": PERSON},
    # These are absent, whoever asks.
    "accounts/signup/": {"GET": OPEN, "POST": OPEN},
    "accounts/password/set/": {"GET": OPEN, "POST": OPEN},
    "accounts/confirm-email/": {"GET": OPEN, "POST": OPEN},
    r"accounts/confirm-email/(?P<key>[-:\w]+)/$": {"GET": OPEN, "POST": OPEN},
    "accounts/login/code/confirm/": {"GET": OPEN, "POST": OPEN},
    "settings/you/": {"GET": PERSON, "POST": PERSON},
    "settings/you/email/": {"GET": PERSON, "POST": PERSON},
    "settings/you/sessions/end/": {"GET": PERSON, "POST": PERSON},
    "settings/you/sessions/<int:pk>/end/": {"GET": PERSON, "POST": PERSON},
}
_HOUSEHOLD: Final[dict[str, dict[str, Row]]] = {
    "setup/": {"GET": OPEN, "POST": OPEN},  # leads away once there is an owner
    "status/": {"GET": _P.DEVICES_MANAGE},
    "status/models/<str:model_id>/download/": {"GET": _P.HOUSEHOLD_MANAGE, "POST": _P.HOUSEHOLD_MANAGE},
    "settings/": {"GET": MEMBER, "POST": _P.HOUSEHOLD_MANAGE},
    "settings/tokens/": {"GET": _P.TOKENS_MAKE, "POST": _P.TOKENS_MAKE},
    "settings/tokens/<uuid:public_id>/": {"GET": _P.TOKENS_MAKE},
    "settings/tokens/<uuid:public_id>/revoke/": {"GET": MEMBER, "POST": MEMBER},
    "homes/new/": {"GET": _P.HOUSEHOLD_ADD, "POST": _P.HOUSEHOLD_ADD},
    "homes/switch/": {"GET": MEMBER, "POST": MEMBER},
    "settings/consent/": {"GET": MEMBER, "POST": MEMBER},
    "join/": {"GET": OPEN, "POST": OPEN},  # the secret of the link is the permission
    "join/accept/": {"GET": OPEN, "POST": OPEN},
    "people/": {"GET": _P.PEOPLE_SEE},
    "people/invite/": {"GET": _P.PEOPLE_MANAGE, "POST": _P.PEOPLE_MANAGE},
    "people/role-read/": {"GET": MEMBER, "POST": MEMBER},
    "people/leave/": {"GET": MEMBER, "POST": MEMBER},
    "people/<uuid:public_id>/": {"GET": _P.PEOPLE_MANAGE},
    "people/<uuid:public_id>/role/": {"GET": _P.PEOPLE_MANAGE, "POST": _P.PEOPLE_MANAGE},
    "people/<uuid:public_id>/remove/": {"GET": _P.PEOPLE_MANAGE, "POST": _P.PEOPLE_MANAGE},
    "people/<uuid:public_id>/hand-over/": {"GET": _P.PEOPLE_MANAGE, "POST": _P.PEOPLE_MANAGE},
    "people/invitations/<uuid:public_id>/": {"GET": _P.PEOPLE_MANAGE},
    "people/invitations/<uuid:public_id>/revoke/": {"GET": _P.PEOPLE_MANAGE, "POST": _P.PEOPLE_MANAGE},
    "activity/": {"GET": _P.AUDIT_READ},
    "activity/whole/": {"GET": _P.AUDIT_READ},
    "activity/print/": {"GET": _P.AUDIT_READ, "POST": _P.AUDIT_READ},
    "activity/export/": {"GET": _P.AUDIT_READ, "POST": _P.AUDIT_READ},
}
_DEVICES: Final[dict[str, dict[str, Row]]] = {
    "": {"GET": MEMBER},  # shows a guest what is lent
    "claim/": {"GET": OPEN},  # shows nothing before the sign-in
    "devices/add/": {"GET": _P.DEVICES_MANAGE},
    "devices/add/foreign/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
    "devices/lookup/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
    "devices/confirm/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
    "devices/refuse/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/": {"GET": SEE, "POST": _P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/joining/": {"GET": _P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/token/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/token/<uuid:token_id>/": {"GET": _P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/remove/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/key/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/give/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/give/<uuid:transfer_id>/": {"GET": _P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/give/cancel/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
    "take/": {"GET": OPEN, "POST": PERSON},  # the secret of the link is the permission
    "take/accept/": {"GET": PERSON, "POST": PERSON},
    "coming/<uuid:public_id>/": {"GET": _P.DEVICES_MANAGE},
    "coming/<uuid:public_id>/give-up/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
    "devices/<uuid:public_id>/call/": {"GET": CALL},
    "devices/<uuid:public_id>/rules/": {"GET": _P.HOUSEHOLD_MANAGE, "POST": _P.HOUSEHOLD_MANAGE},
    "devices/<uuid:public_id>/past/rules/": {"GET": _P.HOUSEHOLD_MANAGE, "POST": _P.HOUSEHOLD_MANAGE},
    "devices/<uuid:public_id>/lend/": {"GET": _P.LEND, "POST": _P.LEND},
    "devices/<uuid:public_id>/loans/<uuid:loan_id>/": {"GET": _P.LEND},
    "devices/<uuid:public_id>/loans/<uuid:loan_id>/end/": {"GET": _P.LEND, "POST": _P.LEND},
    "rooms/<uuid:public_id>/": {"GET": _P.DEVICES_SEE, "POST": _P.DEVICES_MANAGE},
    "rooms/<uuid:public_id>/rules/": {"GET": _P.HOUSEHOLD_MANAGE, "POST": _P.HOUSEHOLD_MANAGE},
    "rooms/<uuid:public_id>/remove/": {"GET": _P.DEVICES_MANAGE, "POST": _P.DEVICES_MANAGE},
}
_CALLS: Final[dict[str, dict[str, Row]]] = {
    "calls/": {"GET": MEMBER},  # the own ones, and what else the member may see
    "calls/<uuid:public_id>/": {"GET": MEMBER},
    "calls/<uuid:public_id>/player/": {"GET": MEMBER},
    "calls/<uuid:public_id>/connection/": {"GET": MEMBER},
    "calls/<uuid:public_id>/audio/": {"GET": HEAR},
    "calls/<uuid:public_id>/transcript/": {"GET": HEAR},
    "calls/<uuid:public_id>/transcript/retry/": {"GET": HEAR, "POST": HEAR},
}
_ANNOUNCEMENTS: Final[dict[str, dict[str, Row]]] = {
    "announce/": {"GET": ANNOUNCE},
    "announce/preview/": {"GET": _P.ANNOUNCE, "POST": _P.ANNOUNCE},
    "announce/send/": {"GET": ANNOUNCE, "POST": ANNOUNCE},
    "announce/clips/<uuid:public_id>/": {"GET": ANNOUNCE},
    "announce/clips/<uuid:public_id>/audio/": {"GET": ANNOUNCE},
    "announce/<uuid:public_id>/": {"GET": ANNOUNCE},
}
# route -> method -> who
ADDRESSES: Final[dict[str, dict[str, Row]]] = (
    _PROGRAMS | _SIGNING_IN | _HOUSEHOLD | _DEVICES | _CALLS | _ANNOUNCEMENTS
)
