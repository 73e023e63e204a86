"""The tables that the second wall leaves open, each with its reason. Every other table has the policy of a household.

A new model is either walled by its migration (common.database.wall.HouseholdWall) or named here; a test says so.
"""

from typing import Final

_SCOPE = "it is what tells which scope to open"
_PERSON = "it belongs to a person, who may be in several households"
_HUB = "it belongs to the hub, and holds nothing of a household"
_CELERY = "the schedule of the hub's own tasks"

OPEN_TABLES: Final[dict[str, str]] = {
    "households_user": _PERSON,
    "households_user_groups": _PERSON,
    "households_user_user_permissions": _PERSON,
    "households_household": _SCOPE,
    "households_membership": _SCOPE,
    "households_invitation": "whoever brings one belongs to no household yet; only its hash is kept",
    "households_apitoken": f"{_SCOPE}; only its hash is kept",
    "households_departure": "whom it tells that they left belongs to the household no more",
    "households_setuptoken": _HUB,
    "devices_devicetoken": f"{_SCOPE}; only its hash is kept",
    "devices_deviceauthorization": "a device that waits belongs to no household until somebody confirms",
    "devices_transfer": "it stands between two households; only its hash is kept",
    "account_emailaddress": _PERSON,
    "account_emailconfirmation": _PERSON,
    "mfa_authenticator": _PERSON,
    "usersessions_usersession": _PERSON,
    "django_session": _PERSON,
    "auth_group": _HUB,
    "auth_group_permissions": _HUB,
    "auth_permission": _HUB,
    "django_content_type": _HUB,
    "django_celery_beat_clockedschedule": _CELERY,
    "django_celery_beat_crontabschedule": _CELERY,
    "django_celery_beat_intervalschedule": _CELERY,
    "django_celery_beat_periodictask": _CELERY,
    "django_celery_beat_periodictasks": _CELERY,
    "django_celery_beat_solarschedule": _CELERY,
}
