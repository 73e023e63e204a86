"""What happened. Higher apps listen."""

from django.dispatch import Signal

device_arrived = Signal()  # device; online for the first time since it was claimed
device_renamed = Signal()  # device; under its new name
device_removed = Signal()  # device, done: what became of it, such as "was removed"
device_locked_out = Signal()  # device; what let it in so far does so no longer

# loan. What ends at once when it is ended now? Receivers answer in a sentence, or "" for nothing, in the scope of its
# household.
loan_use_sought = Signal()

# loan, ended_at. Did a call of its member end with it? Receivers answer yes or no, in the scope of its household.
loan_call_sought = Signal()
