"""Lending a device: the page, the list, the end; and whoever comes by a link."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_scopes import scope

from calls.models import Call
from common.clock import now
from common.words import moment_words
from devices.models import DeviceKind, Loan
from devices.sharing.forms import loan_ends
from devices.sharing.loans import loan_create
from households.models import Household, Invitation, Membership
from households.people.invitations import invitation_accept_new
from households.record.audit import audit_list, audit_sentence
from households.roles import Permission, Role
from protocol.messages.calls import CallState
from tests.devices.having import rights_of
from tests.plugin_cast import Cast, browser_of, guest_make, loan_make, rule_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
P = Permission


@pytest.fixture
def anna(cast: Cast) -> Client:
    return browser_of(cast.anna)


@pytest.fixture
def gil(cast: Cast) -> Membership:
    return guest_make(cast)


def lend(client: Client, cast: Cast, whom: Membership | None = None, **fields: object) -> "object":
    url = reverse("devices:lend", args=[cast.kitchen.public_id])
    sent = {"to": whom.public_id if whom else "new", "talk": "on", "until": "hour"} | fields
    return client.post(url, {name: value for name, value in sent.items() if value is not None})


def link_page(client: Client, cast: Cast, **fields: object) -> "object":
    """To which lending to somebody new leads."""
    return client.get(lend(client, cast, None, **fields)["Location"])  # type: ignore[index]


def the_loan(cast: Cast) -> Loan:
    with scope(household=cast.anna.household):
        return Loan.objects.select_related("invitation", "member").get()


def detail(client: Client, cast: Cast) -> str:
    return client.get(reverse("devices:detail", args=[cast.kitchen.public_id])).content.decode()


def test_what_is_lent_stands_in_the_list_and_ends_at_once_also_in_a_call(
    anna: Client, cast: Cast, gil: Membership
) -> None:
    lend(anna, cast, gil)
    loan = the_loan(cast)
    assert (loan.can_talk, loan.can_listen, loan.can_announce) == (True, False, False)
    assert abs((loan.ends_at - now() - timedelta(hours=1)).total_seconds()) < 5
    assert "Gil" in detail(anna, cast)
    assert cast.kitchen.name in browser_of(gil).get("/").content.decode()
    with scope(household=cast.anna.household):
        call = Call.objects.create(
            household=gil.household, device=cast.kitchen, started_by=gil.user, state=CallState.CONNECTED
        )
    end = reverse("devices:loan-end", args=[cast.kitchen.public_id, loan.public_id])
    assert anna.get(end).status_code == 302  # leads to the button
    assert the_loan(cast).ended_at is None
    assert anna.post(end).status_code == 302
    with scope(household=cast.anna.household):
        call.refresh_from_db()
        assert (call.state, call.reason) == (CallState.ENDED, "Kitchen speaker is no longer lent to Gil.")
    assert reverse("devices:loan-end", args=[cast.kitchen.public_id, loan.public_id]) not in detail(
        anna, cast
    )
    assert "Nothing is lent to you now" in browser_of(gil).get("/").content.decode()
    assert anna.post(end).status_code == 409
    with scope(household=cast.anna.household):
        told = [audit_sentence(entry) for entry in audit_list(cast.anna.household)[:2]]
    until = moment_words(loan.ends_at, "UTC")
    assert told == [
        f"Anna ended the loan of Kitchen speaker to Gil, which was to last until {until}.",
        f"Anna lent Kitchen speaker to Gil, who may call it until {until}.",
    ]


def test_the_record_says_what_is_lent_from_when_and_until_when(cast: Cast, gil: Membership) -> None:
    begin, end = now() + timedelta(days=1), now() + timedelta(days=2)
    rights = {Permission.CALL, Permission.DROP_IN, Permission.ANNOUNCE}
    with scope(household=cast.anna.household):
        for starts_at, to in ((begin, gil), (now(), None)):
            loan_create(
                membership=cast.anna,
                device=cast.kitchen,
                rights=rights,
                starts_at=starts_at,
                ends_at=end,
                to=to,
            )
        told = [audit_sentence(entry) for entry in audit_list(cast.anna.household)[:3]]
    until = moment_words(end, "UTC")
    may = "who may call, listen into and announce on it"
    assert told == [
        f"Anna lent Kitchen speaker to somebody new, {may} until {until}.",
        f"Anna invited somebody as a guest, by a link that is good until {until}.",
        f"Anna lent Kitchen speaker to Gil, {may} from {moment_words(begin, 'UTC')} until {until}.",
    ]


def call_now(cast: Cast, caller: Membership, **how: object) -> Call:
    with scope(household=caller.household):
        return Call.objects.create(
            household=caller.household,
            device=cast.kitchen,
            started_by=caller.user,
            **{"state": CallState.RINGING} | how,
        )


TALKS = {"state": CallState.CONNECTED, "accepted_at": now()}
IN_CALL = "Gil is in a call with it now. It ends as soon as you end this loan."


@pytest.mark.parametrize(
    ("how", "words"),
    [(TALKS, IN_CALL), ({}, "Gil is calling it now. That ends as soon as you end this loan.")],
)
def test_beside_the_button_stands_what_ends_with_the_loan_and_afterwards_that_it_ended(
    anna: Client, cast: Cast, gil: Membership, how: dict[str, object], words: str
) -> None:
    with scope(household=gil.household):
        loan = loan_make(cast.kitchen, gil, can_talk=True)
    assert "as soon as you end" not in detail(anna, cast)
    call_now(cast, gil, **how)
    assert words in detail(anna, cast)
    end = reverse("devices:loan-end", args=[cast.kitchen.public_id, loan.public_id])
    page = anna.post(end, follow=True).content.decode()
    assert "Kitchen speaker is lent no more. The call was ended." in page
    assert "as soon as you end" not in page


@pytest.mark.parametrize(
    "case", ["another loan goes on", "a call of somebody else", "may call it anyway", "no call"]
)
def test_a_call_that_does_not_end_with_the_loan_is_not_said_to_end(
    anna: Client, cast: Cast, gil: Membership, case: str
) -> None:
    borrower = cast.ben if case == "may call it anyway" else gil
    with scope(household=gil.household):
        loan = loan_make(cast.kitchen, borrower, can_talk=True)
        if case == "another loan goes on":
            loan_make(cast.kitchen, gil, can_talk=True, can_listen=True)
    if case != "no call":
        call_now(cast, cast.ben if case == "a call of somebody else" else borrower, **TALKS)
    assert "as soon as you end" not in detail(anna, cast)
    end = reverse("devices:loan-end", args=[cast.kitchen.public_id, loan.public_id])
    page = anna.post(end, follow=True).content.decode()
    assert "Kitchen speaker is lent no more." in page
    assert "The call was ended." not in page


def test_a_guest_who_dropped_in_by_a_loan_loses_the_call_though_another_loan_lets_them_ring(
    anna: Client, cast: Cast, gil: Membership
) -> None:
    with scope(household=gil.household):
        loan_make(cast.kitchen, gil, can_talk=True, can_listen=True)
        loan_make(cast.kitchen, gil, can_talk=True, ends_at=now() + timedelta(days=1))
    call_now(cast, gil, is_drop_in=True, **TALKS)
    assert detail(anna, cast).count(IN_CALL) == 1


def test_whoever_opens_the_link_of_a_later_loan_reads_when_it_begins(anna: Client, cast: Cast) -> None:
    with timezone.override(ZoneInfo(cast.anna.household.time_zone)):
        later = timezone.localtime(now() + timedelta(days=40))
    page = link_page(anna, cast, name="Gil", begins_at=f"{later:%Y-%m-%dT%H:%M}")
    found = re.search(r"#t=([\w-]+)", page.content.decode())  # type: ignore[attr-defined]
    assert found
    joining = Client().post(reverse("households:join"), {"token": found[1]}).content.decode()
    words = re.sub(r"<[^>]+>", "", joining)
    assert f"Kitchen speaker is lent to you from {later.day} {later:%B}" in words


def test_somebody_new_comes_by_a_link_and_finds_what_is_lent(anna: Client, cast: Cast) -> None:
    response = link_page(anna, cast, name="Gil", announce="on")
    page = response.content.decode()  # type: ignore[attr-defined]
    found = re.search(r"#t=([\w-]+)", page)
    assert found
    assert response["Cache-Control"] == "no-store"  # type: ignore[index]
    loan = the_loan(cast)
    assert loan.invitation
    assert loan.invitation.expires_at == loan.ends_at  # the link is worth nothing afterwards
    assert "Has not come yet" in detail(anna, cast)
    joining = Client().post(reverse("households:join"), {"token": found[1]}).content.decode()
    assert "<strong>Kitchen speaker</strong> is lent to you until" in joining
    member = invitation_accept_new(
        token=found[1], name="Gil", email="gil@example.org", password="a long enough password"
    )
    assert member.role == Role.GUEST
    with scope(household=cast.anna.household):
        assert rights_of(member, cast.kitchen) == {P.CALL, P.ANNOUNCE}
    assert "Has not come yet" not in detail(anna, cast)


@pytest.mark.parametrize(
    ("fields", "is_auto_answer", "words"),
    [
        ({}, True, "lend it again with <em>Listen</em>"),
        ({"listen": "on"}, False, "A speaker without one has to answer by itself: allow that on its page."),
        ({"listen": "on"}, True, "nobody has to press anything there"),
        ({"talk": None, "announce": "on"}, True, "types there what it says"),
    ],
)
def test_beside_the_link_stands_what_happens_at_a_speaker_without_a_keyboard(
    anna: Client, cast: Cast, fields: dict[str, object], is_auto_answer: bool, words: str
) -> None:
    with scope(household=cast.anna.household):
        type(cast.kitchen).objects.filter(pk=cast.kitchen.pk).update(is_auto_answer=is_auto_answer)
    page = link_page(anna, cast, **{"name": "Gil"} | fields).content.decode()  # type: ignore[attr-defined]
    assert "The link does nothing at the device itself." in page
    assert words in page
    others = {"lend it again with", "has to answer by itself", "nobody has to press", "types there"}
    assert [other for other in others if other in page] == [other for other in others if other in words]


def test_to_end_what_nobody_took_yet_takes_its_link_back(anna: Client, cast: Cast) -> None:
    lend(anna, cast, name="Gil")
    loan = the_loan(cast)
    anna.post(reverse("devices:loan-end", args=[cast.kitchen.public_id, loan.public_id]))
    assert Invitation.objects.get().revoked_at


def test_an_invitation_that_was_taken_back_is_in_no_list(anna: Client, cast: Cast) -> None:
    lend(anna, cast, name="Gil")
    Invitation.objects.update(revoked_at=now())
    assert "Gil" not in detail(anna, cast)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"talk": None}, "Choose what they may do."),
        ({"until": "date"}, "Choose a date and a time."),
        ({"until": "date", "ends_at": "2001-01-01T10:00"}, "Choose an end that is still to come"),
        ({"until": "date", "ends_at": "2900-01-01T10:00"}, "longer than a year"),
        ({"until": None}, "Choose until when."),
        ({"to": "nobody"}, "Select a valid choice"),
        ({"to": "new"}, "Say who it is"),
    ],
)
def test_what_is_missing_is_said_beside_it(
    anna: Client, cast: Cast, gil: Membership, fields: dict[str, object], words: str
) -> None:
    response = lend(anna, cast, gil, **fields)
    assert response.status_code == 400  # type: ignore[attr-defined]
    assert words in response.content.decode()  # type: ignore[attr-defined]
    with scope(household=cast.anna.household):
        assert not Loan.objects.exists()


def test_nobody_lends_what_a_rule_keeps_from_them(cast: Cast, gil: Membership) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    ben = browser_of(cast.ben)
    with scope(household=cast.anna.household):
        rule_make(P.CALL, cast.anna, device=cast.kitchen)
        loan_make(cast.kitchen, cast.ben, can_talk=True)  # what is lent is not lent on
    refused = lend(ben, cast, gil)
    assert refused.status_code == 403  # type: ignore[attr-defined]
    assert "You may not call Kitchen speaker" in refused.content.decode()  # type: ignore[attr-defined]
    assert lend(ben, cast, gil, talk=None, announce="on").status_code == 302  # type: ignore[attr-defined]


def test_who_has_no_device_of_the_household_to_lend_does_not_lend(cast: Cast, gil: Membership) -> None:
    assert lend(browser_of(cast.ben), cast, gil).status_code == 403  # type: ignore[attr-defined]
    assert lend(browser_of(cast.carla), cast, gil).status_code == 404  # type: ignore[attr-defined]


def test_a_loan_of_another_device_or_home_is_absent(anna: Client, cast: Cast) -> None:
    with scope(household=cast.carla.household):
        loan = loan_make(cast.cellar, cast.carla, can_talk=True)
    url = reverse("devices:loan-end", args=[cast.kitchen.public_id, loan.public_id])
    assert anna.post(url).status_code == 404


def test_to_listen_is_to_call_and_what_cannot_ring_is_heard_at_once(
    anna: Client, cast: Cast, gil: Membership
) -> None:
    lend(anna, cast, gil, talk=None, listen="on")
    loan = the_loan(cast)
    assert (loan.can_talk, loan.can_listen) == (True, True)
    with scope(household=cast.anna.household):
        loan.delete()
        type(cast.kitchen).objects.filter(pk=cast.kitchen.pk).update(kind=DeviceKind.FOREIGN)
    lend(anna, cast, gil)
    assert the_loan(cast).can_listen


def lend_page(client: Client, cast: Cast) -> str:
    page = client.get(reverse("devices:lend", args=[cast.kitchen.public_id])).content.decode()
    return " ".join(page.split())


def test_where_nobody_else_lives_it_is_lent_to_somebody_new_without_a_choice(
    anna: Client, cast: Cast
) -> None:
    assert "Somebody new" in lend_page(anna, cast)
    with scope(household=cast.anna.household):
        cast.ben.delete()
    page = lend_page(anna, cast)
    assert "Somebody new" not in page
    assert "To whom?" not in page
    assert '<input type="hidden" name="to" value="new">' in page
    assert "Their name" in page


@pytest.mark.parametrize(
    ("changes", "told", "hidden"),
    [
        (
            {},
            [
                "One or more of these.",
                "it rings until somebody presses Enter on its keyboard.",
                "It answers by itself only for those who may listen, too.",
                "it answers by itself: they hear the room at once",
            ],
            ["The same as talk"],
        ),
        (
            {"is_auto_answer": False},
            [
                "The same as talk, for now: it may not answer by itself.",
                "until somebody presses Enter on its keyboard.",
            ],
            ["they hear the room at once", "It answers by itself only"],
        ),
        (
            {"kind": DeviceKind.FOREIGN},
            ["It cannot ring: as soon as they call, they hear the room and are heard there."],
            ["One or more", "presses Enter", 'name="listen"', 'name="announce"'],
        ),
    ],
)
def test_what_somebody_gets_is_said_of_this_device(
    anna: Client, cast: Cast, changes: dict[str, object], told: list[str], hidden: list[str]
) -> None:
    with scope(household=cast.anna.household):
        type(cast.kitchen).objects.filter(pk=cast.kitchen.pk).update(**changes)
    page = lend_page(anna, cast)
    assert [words for words in told if words not in page] == []
    assert [words for words in hidden if words in page] == []


@pytest.mark.parametrize(
    ("ruled", "kind", "offered", "told"),
    [
        ([P.CALL], DeviceKind.AGENT, ["announce"], "You may not call it yourself, so you cannot lend that."),
        ([P.DROP_IN], DeviceKind.AGENT, ["talk", "announce"], "You may not listen into it yourself"),
        (
            [P.DROP_IN],
            DeviceKind.FOREIGN,
            [],
            "You may not listen into it yourself, so there is nothing of it",
        ),
        (
            [P.CALL, P.DROP_IN, P.ANNOUNCE],
            DeviceKind.AGENT,
            [],
            "You may not call, listen into or announce on it yourself, so there is nothing of it",
        ),
        ([P.RECORDINGS_HEAR], DeviceKind.AGENT, ["talk", "listen", "announce"], ""),
    ],
)
def test_what_a_rule_keeps_from_somebody_is_not_offered_to_be_lent(
    cast: Cast, ruled: list[P], kind: DeviceKind, offered: list[str], told: str
) -> None:
    Membership.objects.filter(pk=cast.ben.pk).update(role=Role.ADULT)
    with scope(household=cast.anna.household):
        type(cast.kitchen).objects.filter(pk=cast.kitchen.pk).update(kind=kind)
        for right in ruled:
            rule_make(right, cast.anna, device=cast.kitchen)
    page = lend_page(browser_of(cast.ben), cast)
    assert [word for word in ("talk", "listen", "announce") if f'name="{word}"' in page] == offered
    assert told in page
    assert ("An owner of this home can allow it." in page) == bool(told)
    assert ("Lend it" in page) == bool(offered)
    if len(offered) == 1:
        assert f'name="{offered[0]}" checked' in page


def test_a_loan_that_is_still_to_come_gives_nothing_yet(anna: Client, cast: Cast, gil: Membership) -> None:
    with timezone.override(ZoneInfo(cast.anna.household.time_zone)):
        later = timezone.localtime(now() + timedelta(days=1))
    lend(anna, cast, gil, begins_at=f"{later:%Y-%m-%dT%H:%M}")
    loan = the_loan(cast)
    assert abs((loan.ends_at - later - timedelta(hours=1)).total_seconds()) < 61
    assert "From" in detail(anna, cast)
    home = browser_of(gil).get("/").content.decode()
    assert "Nothing is lent to you now" in home
    assert str(cast.kitchen.public_id) not in home


@pytest.mark.parametrize(
    ("begin", "evening", "weekend"),
    [
        (datetime(2026, 7, 1, 10, 0, tzinfo=UTC), "Wed 22:00", "Sun 22:00"),
        (datetime(2026, 7, 1, 19, 30, tzinfo=UTC), "Wed 23:59", "Sun 22:00"),  # 21:30 in Berlin
        (datetime(2026, 7, 5, 19, 30, tzinfo=UTC), "Sun 23:59", "Sun 22:00"),
    ],
)
def test_evenings_and_weekends_are_those_of_the_household(
    begin: datetime, evening: str, weekend: str
) -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")):
        ends = loan_ends(begin)
    assert (f"{ends['evening']:%a %H:%M}", f"{ends['weekend']:%a %H:%M}") == (evening, weekend)
    assert all(end > begin for end in ends.values())


@pytest.mark.parametrize(
    ("url", "sent", "is_warned"),
    [
        ("http://192.168.1.5:8000", {}, True),
        ("https://hub.example", {}, False),
        ("http://192.168.1.5:8000", {"talk": None, "announce": "on"}, False),  # they speak by typing
    ],
)
def test_whoever_lends_by_a_link_without_https_reads_that_nobody_can_call_by_it(
    anna: Client, cast: Cast, settings: LazySettings, url: str, sent: dict[str, object], is_warned: bool
) -> None:
    settings.HUB_URL, settings.IS_HUB_URL_SET = url, True
    page = link_page(anna, cast, name="Rose", **sent).content.decode()  # type: ignore[attr-defined]
    assert url in page
    assert ("a browser gives no microphone to such a page" in page) is is_warned


def test_a_guest_reads_until_when_and_nothing_about_the_device(cast: Cast, gil: Membership) -> None:
    with scope(household=cast.anna.household):
        loan_make(cast.kitchen, gil, can_talk=True, can_listen=True)
    page = detail(browser_of(gil), cast)
    for words in ("You may call it, and hear the room at once", "Until"):
        assert words in page
    for words in ("About this device", cast.kitchen.serial, "Who may", "Lend it"):
        assert words not in page


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Auckland"])
@pytest.mark.parametrize(
    "day", ["9999-12-31T23:59", "9999-12-28T12:00", "0001-01-01T00:00", "2500-01-01T00:00"]
)
@pytest.mark.parametrize("field", ["begins_at", "ends_at"])
def test_a_day_that_no_clock_can_count_to_is_a_bad_day(
    anna: Client, cast: Cast, gil: Membership, zone: str, day: str, field: str
) -> None:
    Household.objects.filter(pk=cast.anna.household_id).update(time_zone=zone)
    fields = {"until": "date"} if field == "ends_at" else {}
    answer = lend(anna, cast, gil, **{field: day}, **fields)
    assert answer.status_code == 400  # type: ignore[attr-defined]
    with scope(household=cast.anna.household):
        assert not Loan.objects.exists()


def test_a_beginning_that_is_too_late_is_said_at_its_field(anna: Client, cast: Cast, gil: Membership) -> None:
    answer = lend(anna, cast, gil, begins_at="9999-12-28T12:00")
    assert "Choose a day within a year from now." in answer.content.decode()  # type: ignore[attr-defined]


def test_the_page_of_a_loan_that_begins_later_says_from_when_it_is(
    anna: Client, cast: Cast, gil: Membership
) -> None:
    later = {"starts_at": now() + timedelta(days=1), "ends_at": now() + timedelta(days=2)}
    with scope(household=cast.anna.household):
        loans = [loan_make(cast.kitchen, gil, can_talk=True, **how) for how in ({}, later)]
    urls = [reverse("devices:loan", args=[cast.kitchen.public_id, loan.public_id]) for loan in loans]
    has, will = (" ".join(anna.get(url).content.decode().split()) for url in urls)
    assert "Gil has it" in has
    assert "Gil may use Kitchen speaker until <time" in has
    assert "Gil will have it" in will
    assert "Gil may use Kitchen speaker from <time" in will
