"""What happened. Higher apps listen."""

from django.dispatch import Signal

device_removed = Signal()  # device
