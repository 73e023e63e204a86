"""What somebody announced who may not announce any more is not said, and the page says why."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from announcements.models import Announcement, AnnouncementDelivery
from announcements.rights import deliveries_lent_before
from announcements.services import (
    announcement_send,
    clip_link,
    deliveries_push_pending,
    deliveries_recheck,
    delivery_progress,
)
from announcements.tasks import announcement_speak_task, announcements_sweep_task
from announcements.welcome import device_welcome
from common.clock import now
from devices.models import Loan
from devices.services import device_remove
from devices.sharing.loans import loan_end
from devices.sharing.rules import rules_save
from households.models import Membership
from households.people.members import member_remove
from households.roles import Permission
from protocol.messages.announcements import DeliveryState
from tests.plugin_cast import Cast, device_go_online, guest_make, loan_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.usefixtures("no_scope")]
NOT_LENT = "Not said any more. Kitchen speaker is no longer lent to Gil."


@pytest.fixture
def gil(cast: Cast) -> Membership:
    """A guest to whom the kitchen speaker is lent for announcing."""
    guest = guest_make(cast)
    loan_make(cast.kitchen, guest, can_announce=True)
    return guest


def announced(cast: Cast, sender: Membership) -> AnnouncementDelivery:
    """Spoken, and waiting for the kitchen speaker, which is off."""
    announcement = announcement_send(membership=sender, text="I am on my way.", devices=[cast.kitchen])
    announcement_speak_task(announcement.pk)
    AnnouncementDelivery.objects.update(pushed_at=None)
    return AnnouncementDelivery.objects.get(announcement=announcement)


def run_out() -> None:
    """Nobody says so: the clock does."""
    Loan.objects.update(ends_at=now() - timedelta(seconds=1))


def stands(delivery: AnnouncementDelivery) -> tuple[str, str]:
    delivery.refresh_from_db()
    return delivery.state, delivery.reason


def comes_back(cast: Cast) -> None:
    """As its socket does."""
    with scope(household=cast.anna.household):
        deliveries_push_pending(device=cast.kitchen)


def test_a_member_who_is_removed_announces_nothing_more(cast: Cast, client: Client) -> None:
    delivery, others = announced(cast, cast.ben), announced(cast, cast.anna)
    member_remove(member=cast.ben, by=cast.anna)
    words = "Not said any more. Ben no longer belongs to Lake House."
    assert stands(delivery) == (DeliveryState.EXPIRED, words)
    assert stands(others) == (DeliveryState.QUEUED, "")
    client.force_login(cast.anna.user)
    address = reverse("announcements:detail", args=[delivery.announcement.public_id])
    page = client.get(address).content.decode()
    assert words in page
    assert "Not played" in page


def test_what_a_guest_announced_goes_with_the_loan(cast: Cast, gil: Membership) -> None:
    delivery = announced(cast, gil)
    loan_end(loan=Loan.objects.get(), by=cast.anna.user)
    assert stands(delivery) == (DeliveryState.EXPIRED, NOT_LENT)


def test_a_rule_of_an_owner_takes_back_what_the_others_announced(cast: Cast) -> None:
    delivery, own = announced(cast, cast.ben), announced(cast, cast.anna)
    rules_save(membership=cast.anna, place=cast.kitchen, named={Permission.ANNOUNCE: [cast.anna]})
    words = "Not said any more. Ben may no longer announce on Kitchen speaker."
    assert stands(delivery) == (DeliveryState.EXPIRED, f"{words} An owner of Lake House decided that.")
    assert stands(own) == (DeliveryState.QUEUED, "")


def test_a_device_that_was_removed_says_nothing_more(cast: Cast, gil: Membership) -> None:
    deliveries = announced(cast, gil), announced(cast, cast.anna)
    device_remove(membership=cast.anna, device=cast.kitchen)
    words = "Not said any more. Kitchen speaker no longer belongs to Lake House."
    assert [stands(delivery) for delivery in deliveries] == [(DeliveryState.EXPIRED, words)] * 2


def test_a_device_that_comes_back_is_not_told_of_it_once_the_loan_has_run_out(
    cast: Cast, gil: Membership
) -> None:
    delivery = announced(cast, gil)
    comes_back(cast)
    delivery.refresh_from_db()
    assert delivery.pushed_at
    AnnouncementDelivery.objects.update(pushed_at=None)
    run_out()
    comes_back(cast)
    assert stands(delivery) == (DeliveryState.EXPIRED, NOT_LENT)
    assert delivery.pushed_at is None


def test_what_a_device_has_begun_is_not_begun_again(cast: Cast, gil: Membership) -> None:
    delivery = announced(cast, gil)
    delivery_progress(device=cast.kitchen, public_id=delivery.public_id, state=DeliveryState.FETCHED)
    run_out()
    comes_back(cast)
    assert stands(delivery) == (DeliveryState.FETCHED, "")  # perhaps it was heard
    assert delivery.pushed_at is None
    delivery_progress(device=cast.kitchen, public_id=delivery.public_id, state=DeliveryState.PLAYED)
    assert stands(delivery) == (DeliveryState.PLAYED, "")


def test_it_is_not_handed_out_where_the_loan_ran_out_while_it_was_spoken(cast: Cast, gil: Membership) -> None:
    announcement = announcement_send(membership=gil, text="I am on my way.", devices=[cast.kitchen])
    run_out()
    announcement_speak_task(announcement.pk)
    delivery = announcement.deliveries.get()
    assert stands(delivery) == (DeliveryState.EXPIRED, NOT_LENT)
    assert delivery.pushed_at is None


def test_the_sweep_finds_what_nobody_said(cast: Cast, gil: Membership) -> None:
    delivery, own = announced(cast, gil), announced(cast, cast.anna)
    assert list(deliveries_lent_before()) == []
    run_out()
    announcements_sweep_task()
    assert stands(delivery) == (DeliveryState.EXPIRED, NOT_LENT)
    assert stands(own) == (DeliveryState.QUEUED, "")


def test_the_sweep_does_not_repeat_it(cast: Cast, gil: Membership) -> None:
    delivery = announced(cast, gil)
    device_go_online(cast.kitchen)
    AnnouncementDelivery.objects.update(created_at=now() - timedelta(minutes=1))
    Membership.objects.filter(pk=gil.pk).delete()  # without a word of it
    announcements_sweep_task()
    assert delivery.announcement.sent_by == gil.user
    assert stands(delivery) == (
        DeliveryState.EXPIRED,
        "Not said any more. Gil no longer belongs to Lake House.",
    )
    assert delivery.pushed_at is None


def test_its_clip_is_not_given_to_a_device_that_kept_the_link(
    cast: Cast, gil: Membership, client: Client
) -> None:
    delivery, own = announced(cast, gil), announced(cast, cast.anna)
    assert client.get(clip_link(delivery)).status_code == 200
    run_out()
    assert client.get(clip_link(delivery)).status_code == 404
    assert client.get(clip_link(own)).status_code == 200
    assert stands(delivery) == (DeliveryState.EXPIRED, NOT_LENT)


def test_what_somebody_sent_whose_account_is_gone_is_not_said(cast: Cast) -> None:
    delivery = announced(cast, cast.ben)
    Announcement.objects.update(sent_by=None)
    comes_back(cast)
    words = "Not said any more. Whoever sent it no longer belongs to Lake House."
    assert stands(delivery) == (DeliveryState.EXPIRED, words)


def test_what_a_device_says_of_itself_needs_nobody(cast: Cast) -> None:
    cast.kitchen.capabilities = ["announcements"]
    device_welcome(device=cast.kitchen)
    announcement_speak_task(Announcement.objects.get().pk)
    delivery = AnnouncementDelivery.objects.get()
    assert stands(delivery) == (DeliveryState.QUEUED, "")
    assert delivery.pushed_at


def test_deliveries_of_several_homes_are_each_looked_at_in_their_own(cast: Cast, gil: Membership) -> None:
    lent, own = announced(cast, gil), announced(cast, cast.anna)
    announcement = announcement_send(membership=cast.carla, text="Dinner.", devices=[cast.cellar])
    run_out()
    sayable = deliveries_recheck(AnnouncementDelivery.objects.all())
    assert {delivery.pk for delivery in sayable} == {own.pk, announcement.deliveries.get().pk}
    assert stands(lent) == (DeliveryState.EXPIRED, NOT_LENT)
