"""People and devices that have nothing to do with Anna's household."""

from django.test import Client
from django_scopes import scope, scopes_disabled

from devices.foreign import device_token_renew, foreign_device_create
from households.models import Membership, User
from households.roles import Role
from tests.access.walk import Person
from tests.plugin_cast import Cast

# What stands on pages of her household, and only there.
SECRETS = ("Lake House", "Kitchen speaker", "anna@example.org", "Anna", "Dinner at the lake")
STRANGERS = ("nobody", "foreign owner", "foreign adult", "foreign device", "no home any more")


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def stranger(cast: Cast, who: str) -> Person:
    if who == "foreign owner":
        return Person(signed_in(cast.carla.user))
    if who == "foreign device":
        with scope(household=cast.carla.household):
            device = foreign_device_create(membership=cast.carla, name="Door", room=None)
            token = device_token_renew(device=device)
        return Person(Client(raise_request_exception=False), {"Authorization": f"Bearer {token}"})
    if who == "nobody":
        return Person(Client(raise_request_exception=False))
    user = User.objects.create_user(f"{who.replace(' ', '')}@example.org", name="Dora")
    home = cast.carla.household if who == "foreign adult" else cast.anna.household
    member = Membership.objects.create(user=user, household=home, role=Role.ADULT)
    person = Person(signed_in(user))
    if who == "no home any more":
        with scopes_disabled():
            member.delete()
    return person


def secrets_for(who: str) -> tuple[str, ...]:
    """Whoever lived there knows its name."""
    return SECRETS[1:] if who == "no home any more" else SECRETS
