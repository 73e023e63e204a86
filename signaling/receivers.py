"""Reactions, one line each: whose rights changed, whose sockets look again."""

from typing import Any

from django.dispatch import receiver

from common.push import group_members, group_user, recheck_on_commit
from households.events import credential_ended, rights_changed
from households.models import Household, User


@receiver(rights_changed)
def on_rights_changed(household: Household, user: User | None, **_: Any) -> None:
    recheck_on_commit(group_user(user.public_id) if user else group_members(household.public_id))


@receiver(credential_ended)
def on_credential_ended(user: User, **_: Any) -> None:
    recheck_on_commit(group_user(user.public_id))
