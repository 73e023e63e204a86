"""What every form says about a field that cannot stay as it is, in the place of Django's own words."""

from django import forms
from django.core.validators import MaxLengthValidator


def form_words_set() -> None:
    """A field that has words of its own keeps them."""
    forms.Field.default_error_messages["required"] = "Please fill this in."
    MaxLengthValidator.message = "At most %(limit_value)d characters, please."
