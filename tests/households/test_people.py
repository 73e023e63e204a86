"""Roles, removing, leaving, handing over: what each of them does, and whom it is refused to."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from calls.models import Call
from common.clock import now
from common.errors import Conflict, NotAllowed, NotFound
from devices.models import Device, Loan
from households.events import rights_changed
from households.models import ApiToken, Departure, Household, Invitation, Membership, User
from households.people.invitations import invitation_create
from households.people.members import household_hand_over, member_leave, member_remove, role_change
from households.record.audit import AuditKind, audit_list, audit_sentence
from households.roles import Role
from households.services import api_token_create
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def dora(cast: Cast) -> Membership:
    """An adult of Anna's household."""
    user = User.objects.create_user("dora@example.org", name="Dora")
    return Membership.objects.create(
        user=user, household=cast.anna.household, role=Role.ADULT, consented_at=now()
    )


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str]]]:
    """Whose rights changed, and where."""
    found: list[tuple[str, str]] = []

    def hear(household: Household, user: User, **_: object) -> None:
        assert connection.in_atomic_block
        found.append((user.name, household.name))

    rights_changed.connect(hear, weak=False)
    yield found
    rights_changed.disconnect(hear)


def told(cast: Cast) -> list[str]:
    with scope(household=cast.anna.household):
        entries = audit_list(cast.anna.household).exclude(kind=AuditKind.CLAIMED).order_by("number")
        return [audit_sentence(entry) for entry in entries]


def test_an_owner_gives_somebody_another_role(
    client: Client, cast: Cast, heard: list[tuple[str, str]]
) -> None:
    client.force_login(cast.anna.user)
    page = client.get(reverse("people:member", args=[cast.ben.public_id])).content.decode()
    assert 'value="child" checked' in page
    answer = client.post(reverse("people:role", args=[cast.ben.public_id]), {"role": "adult"})
    assert answer["Location"] == reverse("people:list")
    assert "Ben is an adult now." in client.get(answer["Location"]).content.decode()
    cast.ben.refresh_from_db()
    assert cast.ben.role == Role.ADULT
    assert told(cast) == ["Anna made Ben an adult (before: a child)."]
    assert heard == [("Ben", "Lake House")]


def test_a_role_that_stays_the_same_is_no_change(cast: Cast, heard: list[tuple[str, str]]) -> None:
    role_change(member=cast.ben, role=Role.CHILD, by=cast.anna)
    assert (told(cast), heard) == ([], [])


@pytest.mark.parametrize("role", [Role.ADULT, Role.CHILD, Role.GUEST])
def test_the_last_owner_stays_one(client: Client, cast: Cast, dora: Membership, role: Role) -> None:
    with pytest.raises(Conflict, match="needs an owner"):
        role_change(member=cast.anna, role=role, by=cast.anna)
    with pytest.raises(Conflict, match="only owner"):
        member_leave(membership=cast.anna)
    role_change(member=dora, role=Role.OWNER, by=cast.anna)
    role_change(member=cast.anna, role=role, by=cast.anna)
    with pytest.raises(Conflict, match="needs an owner"):
        role_change(member=dora, role=role, by=dora)


def test_an_owner_who_may_not_sign_in_any_more_does_not_count(cast: Cast, dora: Membership) -> None:
    role_change(member=dora, role=Role.OWNER, by=cast.anna)
    User.objects.filter(pk=dora.user.pk).update(is_active=False)
    with pytest.raises(Conflict, match="only owner"):
        member_leave(membership=cast.anna)


def test_whoever_is_no_owner_any_more_changes_nothing_from_a_page_that_was_open(
    cast: Cast, dora: Membership
) -> None:
    Membership.objects.filter(pk=cast.anna.pk).update(role=Role.ADULT)
    for deed in (
        partial(role_change, member=cast.ben, role=Role.OWNER, by=cast.anna),
        partial(member_remove, member=cast.ben, by=cast.anna),
        partial(household_hand_over, member=dora, by=cast.anna),
    ):
        with pytest.raises(NotAllowed):
            deed()
    assert Membership.objects.filter(household=cast.anna.household, role=Role.OWNER).count() == 0


@pytest.mark.parametrize("goes", ["is removed", "leaves"])
def test_whoever_goes_takes_what_was_lent_along_also_where_no_home_is_open(cast: Cast, goes: str) -> None:
    _lend(cast, cast.kitchen)
    if goes == "leaves":
        member_leave(membership=cast.ben)
    else:
        member_remove(member=cast.ben, by=cast.anna)
    connection.check_constraints()
    with scopes_disabled():
        assert not Loan.objects.exists()


def test_a_removed_member_is_out_with_all_that_let_them_in(
    client: Client, cast: Cast, heard: list[tuple[str, str]]
) -> None:
    api_token_create(membership=cast.ben, name="robot")
    _lend(cast, cast.kitchen)
    client.force_login(cast.anna.user)
    page = client.get(reverse("people:member", args=[cast.ben.public_id])).content.decode()
    for words in ("at once, also in a call", "stay in the history"):
        assert words in page
    assert client.get(reverse("people:remove", args=[cast.ben.public_id])).status_code == 302
    assert Membership.objects.filter(pk=cast.ben.pk).exists()
    answer = client.post(reverse("people:remove", args=[cast.ben.public_id]))
    assert answer["Location"] == reverse("people:list")
    assert not Membership.objects.filter(pk=cast.ben.pk).exists()
    with scopes_disabled():
        assert (ApiToken.objects.count(), Loan.objects.count()) == (0, 0)
    assert told(cast)[-1] == "Anna removed Ben."
    assert heard == [("Ben", "Lake House")]
    assert client.post(reverse("people:remove", args=[cast.ben.public_id])).status_code == 404


def _lend(cast: Cast, device: Device) -> None:
    with scope(household=cast.anna.household):
        Loan.objects.create(
            household=cast.anna.household, device=device, member=cast.ben, starts_at=now(), ends_at=now()
        )


def test_whoever_was_removed_reads_what_happened_on_whatever_page(client: Client, cast: Cast) -> None:
    member_remove(member=cast.ben, by=cast.anna)
    client.force_login(cast.ben.user)
    for url in ("/", "/settings/", "/people/", f"/devices/{cast.kitchen.public_id}/"):
        answer = client.get(url)
        assert answer.status_code == 403
        assert "You were removed from Lake House" in answer.content.decode()
        assert "ask an owner of a home for an invitation" in answer.content.decode()
    assert client.get(reverse("households:join")).status_code == 200
    assert client.get(reverse("account_change_password")).status_code == 200


def test_somebody_who_was_removed_can_be_invited_again(client: Client, cast: Cast) -> None:
    member_remove(member=cast.ben, by=cast.anna)
    _, token = invitation_create(membership=cast.anna, role=Role.GUEST)
    client.force_login(cast.ben.user)
    client.post(reverse("households:join-accept"), {"token": token, "consent": "on"})
    assert Membership.objects.get(user=cast.ben.user).role == Role.GUEST


def test_nobody_removes_themselves(cast: Cast) -> None:
    with pytest.raises(Conflict, match="Leave the home instead"):
        member_remove(member=cast.anna, by=cast.anna)


@pytest.mark.parametrize("deed", ["role", "remove", "hand_over", "leave"])
def test_what_somebody_invited_opens_nothing_once_they_may_not_invite(
    cast: Cast, dora: Membership, deed: str
) -> None:
    role_change(member=dora, role=Role.OWNER, by=cast.anna)
    invitation_create(membership=dora, role=Role.OWNER)
    if deed == "role":
        role_change(member=dora, role=Role.CHILD, by=cast.anna)
    elif deed == "remove":
        member_remove(member=dora, by=cast.anna)
    elif deed == "leave":
        member_leave(membership=dora)
    else:
        role_change(member=cast.ben, role=Role.ADULT, by=dora)
        household_hand_over(member=cast.ben, by=dora)
    assert Invitation.objects.get().revoked_at is not None


def test_an_invitation_of_another_owner_stays_open(cast: Cast, dora: Membership) -> None:
    invitation_create(membership=cast.anna, role=Role.CHILD)
    member_remove(member=dora, by=cast.anna)
    assert Invitation.objects.get().revoked_at is None


def test_every_member_may_leave_also_a_guest(
    client: Client, cast: Cast, heard: list[tuple[str, str]]
) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.GUEST)
    client.force_login(cast.ben.user)
    assert reverse("people:leave") in client.get(reverse("households:settings")).content.decode()
    assert "also in a call" in client.get(reverse("people:leave")).content.decode()
    client.post(reverse("people:leave"))
    assert Membership.objects.filter(pk=cast.ben.pk).exists()
    client.post(reverse("people:leave"), {"sure": "yes"})
    assert not Membership.objects.filter(pk=cast.ben.pk).exists()
    assert told(cast)[-1] == "Ben left."
    assert heard == [("Ben", "Lake House")]
    page = client.get("/").content.decode()
    assert "You left Lake House" in page
    assert f'href="{reverse("households:account")}"' in page
    assert (
        f'class="back" href="{reverse("devices:home")}"'
        in client.get(reverse("households:account")).content.decode()
    )
    assert not Departure.objects.get().is_removal


def test_the_only_owner_is_offered_to_hand_over_instead_of_leaving(
    client: Client, cast: Cast, dora: Membership
) -> None:
    client.force_login(cast.anna.user)
    page = client.get(reverse("people:leave")).content.decode()
    assert 'name="sure"' not in page
    assert "Hand Lake House over to Dora?" in page
    assert "over to Ben?" not in page
    fields = {"then": "leave"}
    answer = client.post(reverse("people:hand-over", args=[dora.public_id]), fields)
    assert answer["Location"] == reverse("people:leave")
    assert 'name="sure"' in client.get(answer["Location"]).content.decode()


def test_an_owner_without_an_adult_or_alone_with_devices_reads_what_they_can_do(
    client: Client, cast: Cast
) -> None:
    client.force_login(cast.anna.user)
    assert "Make somebody an adult first" in client.get(reverse("people:leave")).content.decode()
    client.force_login(cast.carla.user)
    assert "Nobody else is here" in client.get(reverse("people:leave")).content.decode()
    assert client.post(reverse("people:leave"), {"sure": "yes"}).status_code == 409


def test_handing_over_makes_both_what_the_page_says(
    client: Client, cast: Cast, dora: Membership, heard: list[tuple[str, str]]
) -> None:
    client.force_login(cast.anna.user)
    page = client.get(reverse("people:member", args=[dora.public_id])).content.decode()
    assert "Dora becomes the owner: somebody who manages everything, also the people." in page
    assert "You become an adult: somebody who manages devices and hears recordings." in page
    assert client.post(reverse("people:hand-over", args=[cast.ben.public_id])).status_code == 400
    client.post(reverse("people:hand-over", args=[dora.public_id]))
    roles = dict(Membership.objects.filter(household=cast.anna.household).values_list("user__name", "role"))
    assert roles == {"Anna": "adult", "Ben": "child", "Dora": "owner"}
    assert told(cast)[-1] == "Anna handed the home over to Dora: Dora became an owner, and Anna an adult."
    assert sorted(heard) == [("Anna", "Lake House"), ("Dora", "Lake House")]
    assert client.get(reverse("people:member", args=[dora.public_id])).status_code == 403


def test_somebody_of_another_home_looks_absent(client: Client, cast: Cast) -> None:
    client.force_login(cast.carla.user)
    for name in ("member", "role", "remove", "hand-over"):
        assert client.get(reverse(f"people:{name}", args=[cast.ben.public_id])).status_code == 404


def test_a_member_who_is_gone_is_not_found(cast: Cast, dora: Membership) -> None:
    Membership.objects.filter(pk=dora.pk).delete()
    with pytest.raises(NotFound):
        role_change(member=dora, role=Role.CHILD, by=cast.anna)


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_step_down_at_once_leave_one(cast: Cast, dora: Membership) -> None:
    role_change(member=dora, role=Role.OWNER, by=cast.anna)
    start = threading.Barrier(2)

    def step_down(member: Membership) -> None:
        start.wait()
        try:
            role_change(member=member, role=Role.ADULT, by=member)
        except (Conflict, NotAllowed):
            pass
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=step_down, args=(Membership.objects.get(pk=pk),))
        for pk in (cast.anna.pk, dora.pk)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Membership.objects.filter(household=cast.anna.household, role=Role.OWNER).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_role_changes_while_a_call_is_being_written(cast: Cast) -> None:
    """The rows of a call that begins or ends refer to the household and its people, and keep nobody waiting."""
    done = threading.Event()

    def change() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '20s'")
        role_change(member=cast.ben, role=Role.ADULT, by=cast.anna)
        done.set()
        connections.close_all()

    with transaction.atomic(), scope(household=cast.anna.household):
        Call.objects.create(household=cast.anna.household, device=cast.kitchen, started_by=cast.ben.user)
        thread = threading.Thread(target=change)
        thread.start()
        assert done.wait(timeout=15)
    thread.join()


def test_no_link_comes_from_a_page_that_was_open_while_its_owner_was_removed(
    cast: Cast, dora: Membership
) -> None:
    """Looked at in the transaction that makes it: a link made meanwhile would bring them back as an owner."""
    role_change(member=dora, role=Role.OWNER, by=cast.anna)
    open_page = Membership.objects.get(pk=dora.pk)
    role_change(member=dora, role=Role.ADULT, by=cast.anna)
    with pytest.raises(NotAllowed):
        invitation_create(membership=open_page, role=Role.OWNER)
    open_page.role = Role.OWNER
    member_remove(member=dora, by=cast.anna)
    with pytest.raises(NotFound):
        invitation_create(membership=open_page, role=Role.OWNER)
    assert not Invitation.objects.exists()
