"""Who belongs to a household, and as what."""

from django.db import transaction

from common.clock import now
from households.audit import AuditKind, audit_note
from households.models import Membership


def consent_give(*, membership: Membership) -> None:
    """The member agrees that calls of this household are recorded. Once is enough."""
    with transaction.atomic():
        waiting = Membership.objects.filter(pk=membership.pk, consented_at=None)
        if waiting.update(consented_at=now()):
            audit_note(membership.household, AuditKind.CONSENTED, actor=membership.user)
