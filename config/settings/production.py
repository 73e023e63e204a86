"""What runs at somebody's home."""

from config.settings.base import *  # noqa: F403
from config.settings.base import IS_HTTPS, STORAGES

# Each with its reason; `manage.py check --deploy` has nothing else to say.
SILENCED_SYSTEM_CHECKS = [
    "security.W005",  # the names below the hub's are not the hub's to decide on
    "security.W008",  # the proxy redirects; devices of the home network may use the plain address
    "security.W021",  # a home does not belong on a list that browsers are shipped with
]
STORAGES["staticfiles"] = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
WHITENOISE_USE_FINDERS = False
if not IS_HTTPS:
    # Without HTTPS nothing can be asked to be sent by HTTPS only. The README says what that costs.
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W012", "security.W016"]
if IS_HTTPS:
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = False
    SECURE_SSL_REDIRECT = False
