"""Roles in words for templates."""

from django import template

from households.roles import ROLE_NOUNS, ROLE_WORDS, Role

register = template.Library()


@register.filter
def role_words(role: str) -> str:
    """What somebody of this role does: "calls and announces"."""
    return ROLE_WORDS[Role(role)]


@register.filter
def role_noun(role: str) -> str:
    """For a sentence: "a child"."""
    return ROLE_NOUNS[Role(role)]
