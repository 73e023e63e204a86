"""Inviting by a link, and joining by it."""

import re
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from calls.services import call_start
from common.clock import now
from common.errors import Conflict, NotAllowed
from common.words import moment_words
from households.models import Household, Invitation, Membership, User
from households.people.invitations import invitation_accept, invitation_create, invitation_revoke
from households.record.audit import AuditKind, audit_list, audit_sentence
from households.roles import Role
from protocol.errors import ErrorCode
from tests.households.waiting import before
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

JOIN, ACCEPT = reverse("households:join"), reverse("households:join-accept")
NEW = {"name": "Dora", "email": "Dora@Example.org", "password": PASSWORD, "consent": "on"}


@pytest.fixture(autouse=True)
def nothing_was_tried_yet() -> None:
    """What other tests tried counts no more."""
    cache.clear()


def invite(cast: Cast, role: Role = Role.ADULT, name: str = "Dora") -> str:
    """The secret of a link to Anna's household."""
    return invitation_create(membership=cast.anna, role=role, name=name)[1]


def told(household: Household) -> list[str]:
    """What the household's record says of its people, oldest first."""
    with scope(household=household):
        entries = audit_list(household).exclude(kind=AuditKind.CLAIMED).order_by("number")
        return [audit_sentence(entry) for entry in entries]


def page_of(client: Client, path: str, fields: dict[str, str]) -> tuple[int, str]:
    answer = client.post(path, fields)
    return answer.status_code, answer.content.decode()


def test_an_owner_makes_a_link_that_is_shown_once_and_kept_as_a_hash(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    answer = client.post(reverse("people:invite"), {"role": "child", "name": "Dora"}, follow=True)
    found = re.search(
        r'id="secret-link"[^>]*>(http://testserver/join/#t=([\w-]{22}))<', answer.content.decode()
    )
    assert found
    assert answer["Cache-Control"] == "no-store"
    assert "data:image/svg+xml" in answer.content.decode()
    row = Invitation.objects.get()
    assert (row.role, row.name, row.made_by) == ("child", "Dora", cast.anna.user)
    assert found[2] not in str(Invitation.objects.values())
    assert timedelta(days=6, hours=23) < row.expires_at - now() <= timedelta(days=7)
    page = client.get(reverse("people:list")).content.decode()
    assert "As a child, until" in page
    assert found[2] not in page
    until = moment_words(row.expires_at, "UTC")
    assert told(cast.anna.household) == [
        f"Anna invited Dora as a child, by a link that is good until {until}."
    ]


def test_a_link_that_was_made_at_localhost_leads_to_the_address_in_the_network(
    client: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    monkeypatch.setattr("common.links.lan_address", lambda: "192.168.1.10")
    settings.ALLOWED_HOSTS = ["*"]
    client.force_login(cast.anna.user)
    answer = client.post(
        reverse("people:invite"), {"role": "adult"}, headers={"host": "localhost:8000"}, follow=True
    )
    assert "http://192.168.1.10:8000/join/#t=" in answer.content.decode()


@pytest.mark.parametrize(
    ("url", "role", "is_warned"),
    [
        ("http://192.168.1.5:8000", "adult", True),
        ("http://192.168.1.5:8000", "guest", False),  # nothing is lent to them yet, and a loan's link says it
        ("https://hub.example", "child", False),
    ],
)
def test_whoever_invites_by_a_link_without_https_reads_that_nobody_can_call_by_it(
    client: Client, cast: Cast, settings: LazySettings, url: str, role: str, is_warned: bool
) -> None:
    settings.HUB_URL, settings.IS_HUB_URL_SET = url, True
    client.force_login(cast.anna.user)
    answer = client.post(reverse("people:invite"), {"role": role, "name": "Rose"}, follow=True)
    page = answer.content.decode()
    assert url in page
    assert "<h1>Invitation for Rose</h1>" in page
    assert ("to such a page: Rose can open it, but not call" in page) is is_warned


def test_the_page_of_an_invitation_says_who_invites_where_to_and_as_what(client: Client, cast: Cast) -> None:
    status, page = page_of(client, JOIN, {"token": invite(cast, Role.CHILD)})
    assert status == 200
    for words in ("Join Lake House", "Anna invites you", "a child", "calls and announces", "are recorded"):
        assert words in page


def test_somebody_new_makes_an_account_agrees_and_is_in(client: Client, cast: Cast) -> None:
    token = invite(cast, Role.CHILD)
    answer = client.post(ACCEPT, NEW | {"token": token})
    assert answer["Location"] == "/"
    member = Membership.objects.select_related("household").get(user__email="dora@example.org")
    assert (member.household, member.role) == (cast.anna.household, "child")
    assert member.consented_at is not None
    assert "Lake House" in client.get("/").content.decode()
    assert (
        client.get(reverse("mfa_activate_totp")).status_code == 200
    )  # they chose their password a moment ago
    assert told(cast.anna.household)[1:] == [
        "Dora joined as a child, by a link of Anna for Dora.",
        "Dora agreed that calls are recorded.",
    ]


def test_somebody_with_an_account_joins_with_a_session_id_that_is_new(client: Client, cast: Cast) -> None:
    client.force_login(cast.carla.user)
    before = client.session.session_key
    token = invite(cast)
    assert "You are signed in as <strong>Carla</strong>" in page_of(client, JOIN, {"token": token})[1]
    assert client.post(ACCEPT, {"token": token, "consent": "on"})["Location"] == "/"
    assert client.session.session_key != before
    assert Client(headers={"cookie": f"hearthline_session={before}"}).get("/").status_code == 302
    assert "<title>\n      Home · Lake House" in client.get("/").content.decode()


def test_without_the_yes_to_recording_nobody_joins(client: Client, cast: Cast) -> None:
    token = invite(cast)
    status, page = page_of(client, ACCEPT, NEW | {"token": token, "consent": ""})
    assert status == 400
    assert "Without this you cannot go on" in page
    assert not User.objects.filter(email="dora@example.org").exists()
    assert client.post(ACCEPT, NEW | {"token": token}).status_code == 302


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "short"}, "too short"),
        ({"password": "dora@example.org"}, "too similar"),
        ({"email": "BEN@example.org"}, "Sign in with it instead."),
        ({"email": "nobody"}, "Enter a valid email address."),
        ({"email": f"{'x' * 250}@example.org"}, "At most 254 characters"),
        ({"name": ""}, "Please fill this in."),
    ],
)
def test_what_is_wrong_with_an_account_is_said_and_uses_nothing_up(
    client: Client, cast: Cast, change: dict[str, str], words: str
) -> None:
    token, count = invite(cast), User.objects.count()
    status, page = page_of(client, ACCEPT, NEW | {"token": token} | change)
    assert status == 400
    assert words in page
    assert User.objects.count() == count
    assert Invitation.objects.get().used_at is None


def test_a_link_lets_one_person_in_and_only_once(client: Client, cast: Cast) -> None:
    token = invite(cast)
    assert client.post(ACCEPT, NEW | {"token": token}).status_code == 302
    status, page = page_of(Client(), ACCEPT, NEW | {"token": token, "email": "eve@example.org"})
    assert status == 409
    assert "was used already" in page
    assert not User.objects.filter(email="eve@example.org").exists()


@pytest.mark.django_db(transaction=True)
def test_an_address_that_somebody_takes_at_this_moment_is_refused_beside_it(
    client: Client, cast: Cast
) -> None:
    token = invite(cast)
    answers: list[tuple[int, str]] = []
    with before(lambda: answers.append(page_of(client, ACCEPT, NEW | {"token": token}))):
        User.objects.create_user("dora@example.org", name="Another Dora")
    assert answers[0][0] == 400
    assert "Sign in with it instead." in answers[0][1]
    assert Invitation.objects.get().used_at is None


@pytest.mark.parametrize("path", [JOIN, ACCEPT])
@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("unknown", "not known"),
        ("used", "was used already"),
        ("expired", "too old"),
        ("revoked", "was taken back"),
    ],
)
def test_a_closed_invitation_says_why_and_names_nobody(
    client: Client, cast: Cast, path: str, state: str, words: str
) -> None:
    token = invite(cast)
    row = Invitation.objects.get()
    if state == "used":
        invitation_accept(token=token, user=cast.carla.user)
    elif state == "expired":
        Invitation.objects.update(expires_at=now())
    elif state == "revoked":
        invitation_revoke(invitation=row, by=cast.anna.user)
    else:
        token = token[::-1]
    status, page = page_of(client, path, NEW | {"token": token})
    assert status in (404, 409)
    assert words in page
    for name in ("Lake House", "Anna", "Dora", "Carla"):
        assert name not in page
    assert not Membership.objects.filter(user__email="dora@example.org").exists()


def test_a_member_reads_that_they_belong_to_it_and_the_link_stays_open(client: Client, cast: Cast) -> None:
    token = invite(cast)
    client.force_login(cast.ben.user)
    assert "You belong to Lake House already" in page_of(client, JOIN, {"token": token})[1]
    assert page_of(client, ACCEPT, {"token": token, "consent": "on"})[0] == 409
    assert Invitation.objects.get().used_at is None


def test_an_owner_takes_an_invitation_back_but_not_one_that_was_used(client: Client, cast: Cast) -> None:
    token = invite(cast)
    row = Invitation.objects.get()
    url = reverse("people:invitation-revoke", args=[row.public_id])
    client.force_login(cast.carla.user)
    assert client.post(url).status_code == 404
    client.force_login(cast.anna.user)
    assert client.get(url)["Location"] == reverse("people:list")
    assert client.post(url)["Location"] == reverse("people:list")
    assert client.post(url).status_code == 409
    assert told(cast.anna.household)[-1] == "Anna took back the invitation of Dora."
    with pytest.raises(Conflict, match="taken back"):
        invitation_accept(token=token, user=cast.carla.user)


def test_tries_are_counted(client: Client, cast: Cast) -> None:
    answers = [client.post(JOIN, {"token": f"guess {number}"}).status_code for number in range(21)]
    assert answers == [404] * 20 + [429]


def test_who_belongs_to_the_home_is_seen_by_members_but_not_by_guests(client: Client, cast: Cast) -> None:
    client.force_login(cast.ben.user)
    page = client.get(reverse("people:list")).content.decode()
    for words in ("Anna", "Owner: manages everything, also the people", "Ben", "Child: calls and announces"):
        assert words in page
    assert "Carla" not in page
    assert "Invite somebody" not in page
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.GUEST)
    assert client.get(reverse("people:list")).status_code == 403
    assert 'href="/people/"' not in client.get(reverse("households:settings")).content.decode()


def test_whoever_was_never_asked_agrees_before_their_first_call(client: Client, cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(consented_at=None)
    client.force_login(cast.ben.user)
    call_page = reverse("devices:call", args=[cast.kitchen.public_id]) + "?start=1"
    consent = client.get(call_page)["Location"]
    assert "are recorded" in client.get(consent).content.decode()
    assert client.post(consent, {"next": call_page}).status_code == 400
    assert client.post(consent, {"next": call_page, "consent": "on"})["Location"] == call_page
    assert client.get(call_page).status_code == 200
    assert told(cast.anna.household) == ["Ben agreed that calls are recorded."]
    assert client.post(consent, {"next": "https://example.org/", "consent": "on"})["Location"] == "/"


def test_a_program_of_somebody_who_did_not_agree_is_told_so_in_words(cast: Cast) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(consented_at=None)
    with scope(household=cast.anna.household), pytest.raises(NotAllowed, match="are recorded") as refusal:
        call_start(membership=cast.ben, device=cast.kitchen)
    assert refusal.value.wire_code is ErrorCode.CONSENT_NEEDED


def test_a_network_of_many_addresses_tries_no_more_links_than_one_address(client: Client, cast: Cast) -> None:
    def join(address: str) -> int:
        return client.post(JOIN, {"token": "x" * 22}, REMOTE_ADDR=address).status_code

    assert [join(f"2001:db8:1:2::{number:x}") for number in range(21)] == [404] * 20 + [429]
    assert join("2001:db8:1:3::1") == 404
