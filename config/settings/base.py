"""Settings that every environment shares. Values that differ by installation come from the environment."""

import logging
import sys
from typing import Any
from urllib.parse import urlsplit

from celery.schedules import schedule
from csp.constants import NONCE, NONE, SELF

from config.embedded import celery_broker_url, default_database_url, default_redis_url
from config.env import BASE_DIR, env, hub_url
from config.secrets import are_kept, data_dir, secret_get, secret_place

DATA_DIR = data_dir()
HUB_URL = hub_url()
# Somebody sits before it. What only they may read, such as a link for a new password, goes into no log.
HAS_WINDOW = env.bool("HUB_WINDOW", default=sys.stdout.isatty())
# Without one, links carry the address under which the hub was reached.
IS_HUB_URL_SET = bool(env.str("HUB_URL", default=""))
_HUB = urlsplit(HUB_URL)
IS_HTTPS = _HUB.scheme == "https"
HUB_VERSION = "0.1.0"

SECRET_KEY = secret_get("SECRET_KEY")
# Without it no recording can be opened again: it belongs into every backup of this hub, apart from the rest.
DATA_KEY = secret_get("DATA_KEY")
DEBUG = False
# A hub at home is reached by several names: localhost, a LAN address, a name of the VPN.
ALLOWED_HOSTS = [
    _HUB.hostname or "localhost",
    "localhost",
    "127.0.0.1",
    *env.list("HUB_EXTRA_HOSTS", default=[]),
]
if env.bool("HUB_ALLOW_LAN_HOSTS", default=not IS_HTTPS):
    ALLOWED_HOSTS = ["*"]
CSRF_TRUSTED_ORIGINS = [HUB_URL]
# Whose word on the caller counts, see config.edge. With HTTPS there is a proxy, and usually on this machine.
TRUSTED_PROXIES = env.list("HUB_TRUSTED_PROXIES", default=["127.0.0.0/8", "::1/128"] if IS_HTTPS else [])

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "channels",
    "csp",
    "django_celery_beat",
    "django_htmx",
    "django_structlog",
    "drf_spectacular",
    "rest_framework",
    "config",
    "common",
    "households",
    "devices",
    "calls",
    "transcripts",
    "announcements",
    "signaling",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "households.accounts.sign_ins.SignInsMiddleware",
    "households.middleware.AskAgainMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "households.middleware.HouseholdMiddleware",
    "config.access.AccessMiddleware",
    "common.middleware.DomainErrorMiddleware",
    "households.middleware.ElsewhereMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "households.context.household",
                "devices.context.rights",
            ],
        },
    },
]

# --- data ------------------------------------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default=default_database_url(DATA_DIR))
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
# Django's PostgreSQL with a second wall between households.
DATABASES["default"] |= {"ENGINE": "common.database", "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.str("REDIS_URL", default=default_redis_url(DATA_DIR))
# A Redis that hangs must not hold up a socket, nor a page for long; see common.redis.
REDIS_LIMITS = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": REDIS_LIMITS | {"serializer": "common.cached.SealedSerializer"},
    }
}
CHANNEL_LAYERS = {
    "default": {
        # The pub/sub layer: consumers survive a restart of Redis with this one, and with no other.
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL} | REDIS_LIMITS]},
    },
}
RECORDINGS_ROOT = DATA_DIR / "recordings"
CAPTURES_ROOT = DATA_DIR / "captures"
CLIPS_ROOT = DATA_DIR / "clips"
SPEECH_MODELS_ROOT = DATA_DIR / "speech-models"
SPEECH_MODELS_SHIPPED_ROOT = BASE_DIR / "speech" / "models"
SPEECH_MODELS_CHOICE = env.str("HUB_SPEECH_MODELS", default="best")

# Without one, only programs on this machine may ask for /metrics.
METRICS_TOKEN = env.str("HUB_METRICS_TOKEN", default="")

# --- people ----------------------------------------------------------------------------------
AUTH_USER_MODEL = "households.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "devices:home"
ACCOUNT_ADAPTER = "households.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
# allauth's own notes each address in a table of its own, and signs people in with all that stand there.
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
# Counted by ourselves: households.accounts.tries.
ACCOUNT_RATE_LIMITS = MFA_RATE_LIMITS = False
ACCOUNT_FORMS = {
    "login": "households.accounts.forms.SignInForm",
    "reauthenticate": "households.accounts.forms.AskAgainForm",
    "change_password": "households.accounts.forms.PasswordForm",
    "reset_password": "households.accounts.forms.ForgottenForm",
    "reset_password_from_key": "households.accounts.forms.NewPasswordForm",
}
MFA_ADAPTER = "households.accounts.adapter.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # clocks of phones and hubs differ by seconds; no code is taken twice
MFA_FORMS = {
    "authenticate": "households.accounts.forms.CodeForm",
    "authenticate_webauthn": "households.accounts.forms.PasskeySecondForm",
    "login_webauthn": "households.accounts.forms.PasskeySignInForm",
    "reauthenticate": "households.accounts.forms.AskAgainByCodeForm",
    "activate_totp": "households.accounts.forms.AppForm",
    "add_webauthn": "households.accounts.forms.PasskeyForm",
    "edit_webauthn": "households.accounts.forms.PasskeyNameForm",
}
EMAIL_BACKEND = "config.mail.WindowBackend"
SESSION_COOKIE_NAME = "hearthline_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "common.middleware.stale_page"
# Not in the cache: pages go on while Redis is away.
SESSION_ENGINE = "households.accounts.sessions"
SESSION_SERIALIZER = "households.accounts.sessions.EncryptedSerializer"

# --- pages -----------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin" if IS_HTTPS else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF, "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF, "ws:" if not IS_HTTPS else "wss:"],
        "manifest-src": [SELF],
        "worker-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
# 100,000 characters of any script, so that a text that is far too long is refused in words on its page.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# --- API -------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["common.parsers.PlainJSONParser"],
    "EXCEPTION_HANDLER": "common.errors.api_exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Hearthline",
    "DESCRIPTION": "The HTTP API of a Hearthline hub. Signaling is in asyncapi.yaml.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
}

# --- tasks -----------------------------------------------------------------------------------
CELERY_BROKER_URL = celery_broker_url(REDIS_URL)
# A worker's own question waits for work for a second, so it needs more time than others.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 3.0, "socket_connect_timeout": 1.0}
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    # A sweep must not wait behind the hour-long transcript that it looks after.
    "transcripts.tasks.transcripts_sweep_task": {"queue": "default"},
    "announcements.tasks.announcements_sweep_task": {"queue": "default"},
    "transcripts.tasks.*": {"queue": "stt"},
    "announcements.tasks.*": {"queue": "tts"},
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever, once a second: config.celery.Connection
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_TIME_LIMIT = 3600
CELERY_BEAT_SYNC_EVERY = 10  # tasks sent; the times of the last runs are also what its health check reads


def _sweep(task: str, every_s: int) -> dict[str, Any]:
    """What nobody took in a minute is dropped: an hour without a worker must not leave hundreds of sweeps to run."""
    return {"task": task, "schedule": schedule(every_s), "options": {"expire_seconds": min(2 * every_s, 60)}}


CELERY_BEAT_SCHEDULE = {
    "end forgotten calls": _sweep("calls.tasks.calls_sweep_task", 5),
    "notice devices that went away": _sweep("devices.tasks.presence_sweep_task", 5),
    "forget codes that nobody used": _sweep("devices.tasks.authorizations_sweep_task", 3600),
    "retry transcripts": _sweep("transcripts.tasks.transcripts_sweep_task", 10),
    "retry and expire announcements": _sweep("announcements.tasks.announcements_sweep_task", 10),
}

# --- calls -----------------------------------------------------------------------------------
STUN_URLS = env.list("HUB_STUN_URLS", default=[])
# Networks of the hub's own servers, such as 172.30.0.0/16: the media worker sends no packet there for a peer.
SERVICE_NETWORKS = env.list("HUB_SERVICE_NETWORKS", default=[])
# Browsers may hide their addresses behind mDNS names: resolving one asks the local network.
LAN_MODE = env.bool("HUB_LAN_MODE", default=False)
# `manage.py up` says both where the hub serves its own machine only: one to the web, one to the media workers.
IS_LOCAL_ONLY = env.bool("HUB_LOCAL_ONLY", default=False)
MEDIA_MAY_LOOPBACK = env.bool("HUB_MEDIA_MAY_LOOPBACK", default=False)
# The UDP port of all calls of a media worker; the next ones for more workers on the same host. 0: any.
MEDIA_PORT = env.int("HUB_MEDIA_PORT", default=0)
TURN_URLS = env.list("HUB_TURN_URLS", default=[])
TURN_SECRET = secret_get("TURN_SECRET")
TURN_SECRET_PLACE = secret_place("TURN_SECRET")
# False in a command that was told of a folder without a hub's data.
HAS_DATA = are_kept()
# With 100 codes alive and 20^10 codes: under 2^-20 a day for a guesser.
CLAIM_TRIES_PER_QUARTER_HOUR = 1000
RING_TIMEOUT_S = 35
CONNECT_TIMEOUT_S = 20
DEVICE_SILENCE_S = 25

DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO
LOGGING_CONFIG = "config.logs.configure"
LOGGING = {"level": env.str("HUB_LOG_LEVEL", default="INFO")}
