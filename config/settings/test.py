"""What the tests run with: the same engines as production, the demo speech models, fast password hashing."""

from config.settings.base import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SPEECH_MODELS_CHOICE = "demo"
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Nothing was collected: the finders serve each file from where it lies.
STATIC_ROOT = None  # type: ignore[assignment]  # Django takes it; a path is the type elsewhere
