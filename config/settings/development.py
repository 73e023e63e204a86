"""What a developer runs: templates and static files change without a restart."""

from config.settings.base import *  # noqa: F403

DEBUG = True
