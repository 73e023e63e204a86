"""Reactions, one line each: Django says what became of a session or of an account, and the rest of the hub hears it."""

from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from households.events import credential_ended, id_sought
from households.models import ApiToken, Household, Invitation, Membership, User
from households.record.audit import audit_begin
from households.roles import Permission, allows
from households.selectors import member_list
from households.services import api_tokens_end


@receiver(id_sought)
def on_id_sought(membership: Membership, public_id: UUID, **_: Any) -> bool:
    """A person or an invitation, on the pages that owners have of them; or a token of one's own."""
    if ApiToken.objects.filter(membership=membership, public_id=public_id).exists():
        return True
    people, invited = member_list(membership), Invitation.objects.filter(household=membership.household)
    is_owner = allows(membership.role, Permission.PEOPLE_MANAGE)
    return is_owner and any(rows.filter(public_id=public_id).exists() for rows in (people, invited))


@receiver(post_save, sender=Household)
def on_household_made(instance: Household, created: bool, **_: Any) -> None:
    if created:
        audit_begin(instance)


@receiver(post_delete, sender=Session)
def on_session_deleted(instance: Session, **_: Any) -> None:
    """Logout, a session ended on the page of sessions, or a new key for the same session."""
    if user := User.objects.filter(pk=instance.get_decoded().get(SESSION_KEY) or 0).first():
        credential_ended.send(sender=Session, user=user)


@receiver(post_save, sender=User)
def on_user_saved(instance: User, created: bool, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Perhaps with another password, or locked out: who looks again will see."""
    if not created and set(update_fields or ()) != {"last_login"}:
        credential_ended.send(sender=User, user=instance)


@receiver(post_save, sender=User)
def on_password_set(instance: User, created: bool, **_: Any) -> None:
    """On its page, by a link or by a command: Django keeps the new one until it is saved."""
    if not created and getattr(instance, "_password", None) is not None:
        instance.tokens_ended = api_tokens_end(user=instance)


@receiver(post_delete, sender=User)
def on_user_deleted(instance: User, **_: Any) -> None:
    credential_ended.send(sender=User, user=instance)
