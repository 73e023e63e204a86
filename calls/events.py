"""What happened. Higher apps listen."""

from django.dispatch import Signal

recording_finalized = Signal()  # recording
call_started = Signal()  # call; sent inside the transaction
call_ended = Signal()  # call
worker_died = Signal()  # worker_id; its process has ended, so nobody writes its files
