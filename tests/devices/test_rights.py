"""Who may do what with one device: roles, rules of rooms and devices, loans."""

from datetime import timedelta

import pytest
from django_scopes import scope, scopes_disabled

from common.clock import now
from common.errors import NotAllowed, NotFound
from devices.access import access_device
from devices.models import Device, DeviceKind, Loan
from devices.sharing.rights import devices_visible, devices_with, loan_end_next
from households.roles import DEVICE_RIGHTS, Permission
from tests.devices.having import rights_of
from tests.plugin_cast import Cast, guest_make, loan_make, rule_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
P = Permission


def test_without_rules_the_role_counts(cast: Cast) -> None:
    guest = guest_make(cast)
    with scope(household=cast.anna.household):
        assert rights_of(cast.anna, cast.kitchen) == frozenset(DEVICE_RIGHTS)
        assert rights_of(cast.ben, cast.kitchen) == {P.CALL, P.DROP_IN, P.ANNOUNCE}
        assert rights_of(guest, cast.kitchen) == frozenset()


def test_a_rule_lets_in_whom_it_names_and_nobody_else(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        rule_make(P.RECORDINGS_HEAR, cast.ben, room=cast.kitchen.room)
        assert P.RECORDINGS_HEAR in rights_of(cast.ben, cast.kitchen)
        assert P.RECORDINGS_HEAR not in rights_of(cast.anna, cast.kitchen)


def test_the_rule_of_a_device_goes_before_that_of_its_room(cast: Cast) -> None:
    with scope(household=cast.anna.household):
        rule_make(P.CALL, cast.ben, room=cast.kitchen.room)
        rule_make(P.CALL, cast.anna, device=cast.kitchen)
        assert P.CALL in rights_of(cast.anna, cast.kitchen)
        assert P.CALL not in rights_of(cast.ben, cast.kitchen)


def test_a_guest_has_what_was_lent_while_it_is_lent(cast: Cast) -> None:
    guest = guest_make(cast)
    with scope(household=cast.anna.household):
        loan = loan_make(cast.kitchen, guest, can_talk=True)
        assert list(devices_visible(guest)) == [cast.kitchen]
        assert rights_of(guest, cast.kitchen) == {P.CALL}
        for over in ({"ended_at": now()}, {"ended_at": None, "ends_at": now()}):
            Loan.objects.filter(pk=loan.pk).update(**over)
            assert list(devices_visible(guest)) == []
            assert rights_of(guest, cast.kitchen) == frozenset()


def test_what_is_not_lent_to_a_guest_looks_absent(cast: Cast) -> None:
    guest = guest_make(cast)
    with scope(household=cast.anna.household):
        for right in (P.CALL, P.DEVICES_SEE, P.DEVICES_MANAGE):
            with pytest.raises(NotFound):
                access_device(membership=guest, public_id=cast.kitchen.public_id, need=right)
        loan_make(cast.kitchen, guest, can_announce=True)
        assert access_device(membership=guest, public_id=cast.kitchen.public_id, need=P.DEVICES_SEE)
        with pytest.raises(NotAllowed):
            access_device(membership=guest, public_id=cast.kitchen.public_id, need=P.CALL)


def test_nothing_gives_a_right_in_another_household(cast: Cast) -> None:
    with scopes_disabled():
        rule_make(P.CALL, cast.carla, device=cast.kitchen)
        loan_make(cast.kitchen, cast.carla, can_talk=True)
        for right in DEVICE_RIGHTS:
            assert cast.kitchen not in devices_with(cast.carla, right)


def test_no_rule_lets_a_guest_in(cast: Cast) -> None:
    guest = guest_make(cast)
    with scope(household=cast.anna.household):
        rule_make(P.CALL, guest, device=cast.kitchen)
        assert rights_of(guest, cast.kitchen) == frozenset()
        loan_make(cast.kitchen, guest, can_announce=True)
        assert rights_of(guest, cast.kitchen) == {P.ANNOUNCE}


def test_what_cannot_ring_is_called_only_by_who_may_drop_in(cast: Cast) -> None:
    guest = guest_make(cast)
    with scope(household=cast.anna.household):
        Device.objects.filter(pk=cast.kitchen.pk).update(kind=DeviceKind.FOREIGN)
        assert P.CALL in rights_of(cast.ben, cast.kitchen)
        rule_make(P.DROP_IN, cast.anna, device=cast.kitchen)
        assert P.CALL not in rights_of(cast.ben, cast.kitchen)
        loan = loan_make(cast.kitchen, guest, can_talk=True)
        assert rights_of(guest, cast.kitchen) == frozenset()
        Loan.objects.filter(pk=loan.pk).update(can_listen=True)
        assert rights_of(guest, cast.kitchen) == {P.CALL, P.DROP_IN}


def test_the_first_loan_that_runs_out_is_the_one_to_wait_for(cast: Cast) -> None:
    guest, moment = guest_make(cast), now()
    with scope(household=cast.anna.household):
        assert loan_end_next(guest, cast.kitchen) is None
        for minutes in (50, 20, 40):
            loan_make(cast.kitchen, guest, can_talk=True, ends_at=moment + timedelta(minutes=minutes))
        assert loan_end_next(guest, cast.kitchen) == moment + timedelta(minutes=20)
