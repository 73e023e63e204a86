"""Reactions, one line each."""

from typing import Any

from django.dispatch import receiver

from devices.loans import loan_take
from households.events import member_joined
from households.models import Invitation, Membership


@receiver(member_joined)
def on_member_joined(membership: Membership, invitation: Invitation, **_: Any) -> None:
    loan_take(membership=membership, invitation=invitation)
