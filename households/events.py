"""What happened. Higher apps listen."""

from django.dispatch import Signal

# household, user (None: everybody in it). What they may do there is another thing now, also nothing at all.
rights_changed = Signal()
