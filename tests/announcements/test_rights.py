"""Who may announce where."""

import pytest
from django.urls import reverse
from django_scopes import scope

from announcements.models import Announcement, AnnouncementDelivery
from announcements.services import announcement_send
from common.errors import NotAllowed
from devices.models import Device
from households.roles import Permission
from tests.plugin_cast import Cast, browser_of, device_make, guest_make, loan_make, rule_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
SEND = "announcements:send"


@pytest.fixture
def attic(cast: Cast) -> Device:
    """On which Ben alone may announce."""
    with scope(household=cast.anna.household):
        device, _ = device_make(cast.anna, "Attic speaker", "Attic")
        rule_make(Permission.ANNOUNCE, cast.ben, device=device)
    return device


def sent_to(cast: Cast) -> set[str]:
    with scope(household=cast.anna.household):
        return set(AnnouncementDelivery.objects.values_list("device__name", flat=True))


def test_everywhere_means_wherever_one_may(cast: Cast, attic: Device) -> None:
    anna = browser_of(cast.anna)
    page = anna.get(reverse("announcements:compose")).content.decode()
    assert (str(attic.public_id) in page, str(cast.kitchen.public_id) in page) == (False, True)
    assert anna.post(reverse(SEND), {"text": "Dinner.", "everywhere": "1"}).status_code == 302
    assert sent_to(cast) == {cast.kitchen.name}


def test_a_program_that_names_a_device_reads_which_one_it_may_not_use(cast: Cast, attic: Device) -> None:
    response = browser_of(cast.anna).post(reverse(SEND), {"text": "Dinner.", "devices": attic.public_id})
    assert response.status_code == 403
    assert "You may not announce on Attic speaker. An owner of this home can allow it." in (
        response.content.decode()
    )
    with scope(household=cast.anna.household):
        with pytest.raises(NotAllowed, match="Attic speaker"):
            announcement_send(membership=cast.anna, text="Dinner.", devices=[cast.kitchen, attic])
        assert not Announcement.objects.exists()


def test_a_guest_announces_where_it_was_lent_and_reads_the_own_ones(cast: Cast, attic: Device) -> None:
    guest = guest_make(cast)
    gil = browser_of(guest)
    assert gil.get(reverse("announcements:compose")).status_code == 403
    with scope(household=cast.anna.household):
        loan_make(cast.kitchen, guest, can_announce=True)
        others = announcement_send(
            membership=cast.anna, text="Nobody else's business.", devices=[cast.kitchen]
        )
    page = gil.get(reverse("announcements:compose")).content.decode()
    assert cast.kitchen.name in page
    assert attic.name not in page
    assert others.text not in page
    response = gil.post(reverse(SEND), {"text": "Hello, kitchen.", "everywhere": "1"})
    assert "Hello, kitchen." in gil.get(response["Location"]).content.decode()
    for name, key in (("detail", others.public_id), ("clip-audio", others.clip.public_id)):
        assert gil.get(reverse(f"announcements:{name}", args=[key])).status_code == 404
    assert gil.post(reverse(SEND), {"text": "Hello.", "devices": attic.public_id}).status_code == 400
