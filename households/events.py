"""What happened. Higher apps listen."""

from django.dispatch import Signal

# household, user (None: everybody in it). What they may do there is another thing now, also nothing at all.
rights_changed = Signal()

# user. Perhaps a session or a token of theirs lets nobody in any more, or their password is another one: whoever keeps
# something open for them looks at the rows again.
credential_ended = Signal()

# before, after. The same session has another name from now on. Sent inside the transaction.
credential_renewed = Signal()

# membership, public_id. Is there something with this id that the member may open? Receivers answer yes or no, in the
# scope of the member's household.
id_sought = Signal()

# membership, invitation. Somebody came by a link; sent inside the transaction.
member_joined = Signal()

# invitation. What is lent to whoever comes by it? Receivers answer with a list of loans.
gift_sought = Signal()

# household, user, by. They may lend nothing there any more: they are about to go, or have another role. Sent inside the
# transaction, before anything is written of it but the new role. Receivers answer with a list of what the record is to
# say of it (households.record.audit.Note): that is written last, by whoever sends this.
lending_ended = Signal()

# membership, by. They are about to go, and what was lent to them goes with them. Sent and answered as `lending_ended`.
borrowing_ended = Signal()

# membership. What is in their household that should not be left to nobody? Receivers answer with a list of words, such
# as "Kitchen speaker", in the scope of the household.
held_sought = Signal()

# membership. What have they lent, which ends with them? Receivers answer with a list of words, such as "Kitchen speaker
# to Gil", in the scope of the member's household.
lent_sought = Signal()
