"""Typed readers of the environment. Every HUB_X may also be a file: HUB_X_FILE. A bad value stops the start."""

from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import FileAwareEnv

env = FileAwareEnv()
BASE_DIR = Path(__file__).resolve().parent.parent


def hub_url() -> str:
    """The address that browsers and devices use, without a slash at its end."""
    url: str = env.str("HUB_URL", default="http://localhost:8000").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ImproperlyConfigured(
            "HUB_URL must look like https://hub.example.org or http://192.168.1.10:8000."
        )
    return url
