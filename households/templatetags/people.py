"""Roles and homes in words for templates, and what somebody has."""

from collections.abc import Iterable
from typing import Any

from django import template

from households.accounts.tries import Told, told
from households.models import ApiToken, Household, Membership, User
from households.roles import ROLE_NOUNS, ROLE_WORDS, Permission, Role, allows
from households.selectors import home_name
from households.selectors import role_news as news_of

register = template.Library()


@register.filter
def role_words(role: str) -> str:
    """What somebody of this role does: "calls and announces"."""
    return ROLE_WORDS[Role(role)]


@register.filter
def role_noun(role: str) -> str:
    """For a sentence: "a child"."""
    return ROLE_NOUNS[Role(role)]


@register.filter
def role_calls(role: str) -> bool:
    """Whether somebody of this role may call, as long as no rule of a device says otherwise."""
    return allows(role, Permission.CALL)


@register.filter
def apart_from(household: Household, homes: Iterable[Membership]) -> str:
    """Its name, by which it is told from the others: "Lake House (Anna)" where two are called Lake House."""
    return home_name(household, homes)


@register.filter
def role_news(membership: Membership, homes: Iterable[Membership]) -> str:
    """What they are now, by whom, and what that means; "" where they have read it."""
    return " ".join(news_of(membership, homes))


@register.filter
def has_tokens(user: User) -> bool:
    """Whether an API token lets a program in as them, in any of their homes."""
    return ApiToken.objects.filter(membership__user=user, revoked_at=None).exists()


@register.simple_tag(takes_context=True)
def tries(context: dict[str, Any]) -> Told:
    """What to tell whoever was wrong just now: how many tries are left, or how long to wait."""
    return told(context["request"])
