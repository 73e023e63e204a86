"""What is lent of a device goes with the device: it stays where that is added again, and ends where that leaves."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from common.clock import now
from devices.life.transfers import transfer_accept, transfer_create, transfer_find
from devices.models import Loan
from devices.past import device_past
from devices.services import device_remove
from devices.sharing.loans import loan_create, loan_list
from households.models import Membership, User
from households.people.invitations import invitation_accept
from households.record.audit import audit_list, audit_sentence
from households.roles import Permission
from tests.devices.adding import added_again
from tests.devices.having import rights_of
from tests.plugin_cast import Cast, guest_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def lend(cast: Cast, to: Membership | None, name: str = "") -> str:
    with scope(household=cast.anna.household):
        return loan_create(
            membership=cast.anna,
            device=cast.kitchen,
            rights={Permission.CALL},
            starts_at=now(),
            ends_at=now() + timedelta(days=3),
            to=to,
            name=name,
        )[1]


def joining(token: str) -> str:
    return Client().post(reverse("households:join"), {"token": token}).content.decode()


def test_what_is_lent_of_a_device_that_was_added_again_is_lent_still(cast: Cast) -> None:
    gil = guest_make(cast)
    lend(cast, gil)
    token = lend(cast, None, "Hal")
    again = added_again(cast, cast.kitchen, cast.anna)
    with scope(household=cast.anna.household):
        assert rights_of(gil, again) == {Permission.CALL}
        assert [loan.person for loan in loan_list(again)] == ["Gil", "Hal"]
    assert "<strong>Kitchen speaker</strong> is lent to you until" in joining(token)
    hal = invitation_accept(token=token, user=User.objects.create_user("hal@example.org", name="Hal"))
    with scope(household=cast.anna.household):
        assert rights_of(hal, again) == {Permission.CALL}
        old = device_past(membership=gil, public_id=cast.kitchen.public_id)
    assert old == "Kitchen speaker was reset and added again."


@pytest.mark.parametrize("parting", ["removed", "given away"])
def test_what_is_lent_of_a_device_that_leaves_ends_and_its_link_with_it(cast: Cast, parting: str) -> None:
    gil = guest_make(cast)
    lend(cast, gil)
    token = lend(cast, None, "Hal")
    home = cast.anna.household
    if parting == "removed":
        with scope(household=home):
            device_remove(membership=cast.anna, device=cast.kitchen)
    else:
        with scopes_disabled():
            link = transfer_create(membership=cast.anna, device=cast.kitchen)[1]
            transfer_accept(
                transfer=transfer_find(token=link),
                membership=cast.carla,
                name="Mill",
                room=None,
                is_auto_answer=True,
            )
    assert "This invitation was taken back." in joining(token)
    with scope(household=home):
        assert not Loan.objects.filter(ended_at=None).exists()
        told = [audit_sentence(entry) for entry in audit_list(home)[1:4]]
        past = device_past(membership=gil, public_id=cast.kitchen.public_id)
    for sentence, words in zip(
        told,
        [
            "Anna took back the invitation of Hal",
            "Anna ended the loan of Kitchen speaker to Hal",
            "Anna ended the loan of Kitchen speaker to Gil",
        ],
        strict=True,
    ):
        assert sentence.startswith(words)
    assert past.startswith("Kitchen speaker was ")
