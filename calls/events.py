"""What happened. Higher apps listen."""

from django.dispatch import Signal

recording_finalized = Signal()  # recording
call_ended = Signal()  # call
