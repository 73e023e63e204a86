"""Reactions, one line each."""

from typing import Any
from uuid import UUID

from django.dispatch import receiver

from devices.life.transfers import transfers_coming
from devices.models import Loan, Transfer
from devices.past import device_past
from devices.selectors import device_list
from devices.sharing.loans import loan_take, loans_end_of, loans_end_to, loans_lent, loans_with
from devices.sharing.rights import devices_visible
from households.events import (
    borrowing_ended,
    gift_sought,
    held_sought,
    id_sought,
    lending_ended,
    lent_sought,
    member_joined,
)
from households.models import Household, Invitation, Membership, User
from households.record.audit import Note
from households.roles import Permission, allows


@receiver(member_joined)
def on_member_joined(membership: Membership, invitation: Invitation, **_: Any) -> None:
    loan_take(membership=membership, invitation=invitation)


@receiver(id_sought)
def on_id_sought_of_one_that_comes(membership: Membership, public_id: UUID, **_: Any) -> bool:
    may_wait = allows(membership.role, Permission.DEVICES_MANAGE)
    return (
        may_wait and Transfer.objects.filter(to_household=membership.household, public_id=public_id).exists()
    )


@receiver(gift_sought)
def on_gift_sought(invitation: Invitation, **_: Any) -> list[Loan]:
    return loans_with(invitation)


@receiver(lending_ended)
def on_lending_ended(household: Household, user: User, by: User, **_: Any) -> list[Note]:
    return loans_end_of(household=household, lender=user, by=by)


@receiver(borrowing_ended)
def on_borrowing_ended(membership: Membership, by: User, **_: Any) -> list[Note]:
    return loans_end_to(member=membership, by=by)


@receiver(held_sought)
def on_held_sought(membership: Membership, **_: Any) -> list[str]:
    coming = [transfer.to_name for transfer in transfers_coming(membership=membership)]
    return [device.name for device in device_list(membership.household)] + coming


@receiver(lent_sought)
def on_lent_sought(membership: Membership, **_: Any) -> list[str]:
    return loans_lent(membership)


@receiver(id_sought)
def on_id_sought(membership: Membership, public_id: UUID, **_: Any) -> bool:
    """Also one that is gone: there they read what became of it."""
    is_here = devices_visible(membership).filter(public_id=public_id).exists()
    return is_here or bool(device_past(membership=membership, public_id=public_id))
