"""The one place that reads the clock, so that tests can replace it."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    return timezone.now()
