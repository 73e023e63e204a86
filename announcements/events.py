"""What happened."""

from django.dispatch import Signal

announcement_sent = Signal()  # announcement
