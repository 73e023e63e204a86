"""Reactions, one line each: Django says what became of a session or of an account, and the rest of the hub hears it."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from households.events import credential_ended
from households.models import User


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


@receiver(post_delete, sender=User)
def on_user_deleted(instance: User, **_: Any) -> None:
    credential_ended.send(sender=User, user=instance)
