"""People and devices that have nothing to do with Anna's household, or not yet; and a guest who has one device of it.

Those of Carla's household are of every role: with ids of Anna's they are all strangers.
"""

from datetime import timedelta

from django.test import Client
from django_scopes import scope, scopes_disabled

from common.clock import now
from devices.foreign import device_token_renew, foreign_device_create
from devices.sharing.loans import loan_create
from devices.sharing.rights import LENT_BY
from households.models import Membership, User
from households.people.invitations import invitation_create
from households.roles import Role
from tests.access.walk import Person
from tests.plugin_cast import Cast, device_make, guest_make, loan_make

# What stands on pages of her household, and only there.
SECRETS = ("Lake House", "Kitchen speaker", "anna@example.org", "Anna", "Dinner at the lake")
GUEST = "guest with a loan"
INVITED, LENT_TO = "holder of an invitation", "holder of a link to a loan"
OF_CARLA = {f"foreign {role}": role for role in (Role.ADULT, Role.CHILD, Role.GUEST)}
STRANGERS = (
    *("nobody", INVITED, LENT_TO, "foreign owner", *OF_CARLA, "foreign device", "no home any more"),
    GUEST,
)
# What of a guest changes something of the household: a wrong password of theirs is noted in its record.
GUESTS_DEEDS = frozenset({"POST accounts/reauthenticate/", "POST settings/you/"})


def signed_in(user: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def stranger(cast: Cast, who: str) -> Person:
    if who == GUEST:
        return guest_with_loan(cast)
    if who in (INVITED, LENT_TO):
        return with_link(cast, is_loan=who == LENT_TO)
    if who == "foreign owner":
        return Person(signed_in(cast.carla.user))
    if who == "foreign device":
        with scope(household=cast.carla.household):
            device = foreign_device_create(membership=cast.carla, name="Door", room=None)
            _, token = device_token_renew(device=device)
        return Person(Client(raise_request_exception=False), {"Authorization": f"Bearer {token}"})
    if who == "nobody":
        return Person(Client(raise_request_exception=False))
    user = User.objects.create_user(f"{who.replace(' ', '')}@example.org", name="Dora")
    home = cast.carla.household if who in OF_CARLA else cast.anna.household
    member = Membership.objects.create(user=user, household=home, role=OF_CARLA.get(who, Role.ADULT))
    person = Person(signed_in(user))
    if who == "no home any more":
        with scopes_disabled():
            member.delete()
    return person


def guest_with_loan(cast: Cast) -> Person:
    """Of all that is in Anna's household, Gil has the attic's speaker, with all that can be lent of it."""
    guest = guest_make(cast)
    with scope(household=cast.anna.household):
        attic, _ = device_make(cast.anna, "Attic speaker", "Attic")
        loan_make(attic, guest, can_talk=True, can_listen=True, can_announce=True)
    return Person(signed_in(guest.user), knows=frozenset({"household"}), deeds=GUESTS_DEEDS)


def with_link(cast: Cast, *, is_loan: bool) -> Person:
    """Nobody yet, who was sent a link and did not use it. Its secret comes with every request."""
    if is_loan:
        with scope(household=cast.anna.household):
            loft, _ = device_make(cast.anna, "Loft speaker", "Loft")
            _, secret = loan_create(
                membership=cast.anna,
                device=loft,
                rights=set(LENT_BY),
                starts_at=now(),
                ends_at=now() + timedelta(hours=1),
                to=None,
                name="Dora",
            )
    else:
        _, secret = invitation_create(membership=cast.anna, role=Role.ADULT, name="Dora")
    return Person(Client(raise_request_exception=False), brings={"token": [secret]})


def secrets_for(who: str) -> tuple[str, ...]:
    """Whoever lived there knows its name. A guest reads also who lends to them, and somebody invited who invites."""
    if who in (GUEST, INVITED, LENT_TO):
        return tuple(word for word in SECRETS if word not in ("Lake House", "Anna"))
    return SECRETS[1:] if who == "no home any more" else SECRETS
