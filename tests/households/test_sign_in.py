"""Signing in, the second factor, and the page of one's own account."""

import base64
import re
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.urls import urlpatterns as of_allauth
from allauth.usersessions.models import UserSession
from django.conf import LazySettings, settings
from django.contrib.sessions.models import Session
from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, reverse
from django_scopes import scope

from common.clock import now
from households.accounts.sessions import SessionStore, session_name
from households.accounts.sign_in import email_change, name_change, password_link_path
from households.accounts.urls import urlpatterns as offered
from households.models import Membership
from households.record.activity import Group, group_of
from households.record.audit import audit_list, audit_sentence
from households.roles import Role
from tests.households.waiting import before
from tests.plugin_cast import PASSWORD, Cast
from tests.sessions import sign_ins_grow_old

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

NEW = "a sentence that is new"


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def sign_in(client: Client, email: str = "anna@example.org", password: str = PASSWORD) -> Any:
    return client.post(reverse("account_login"), {"login": email, "password": password})


def ask_again(client: Client, to: str) -> Any:
    return client.post(reverse("account_reauthenticate"), {"password": PASSWORD, "next": reverse(to)})


def code_of(secret: str, steps: int = 0) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps)))


def app_add(client: Client) -> str:
    """Signed in: turn the authenticator app on. What its codes are made of."""
    page = client.get(reverse("mfa_activate_totp")).content.decode()
    found = re.search(r'id="app-text"[^>]*>([A-Z2-7]+)<', page)
    assert found
    answer = client.post(reverse("mfa_activate_totp"), {"code": code_of(found[1], -1)})
    assert answer["Location"] == reverse("mfa_view_recovery_codes")
    return found[1]


def record(member: Membership) -> list[str]:
    with scope(household=member.household):
        return [audit_sentence(entry) for entry in audit_list(member.household).order_by("number")]


def names(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^" if prefix else "")
        if isinstance(pattern, URLResolver):
            yield from names(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield str(pattern.name), route.removeprefix("^")


def test_a_person_who_takes_another_name_and_the_browser_of_a_sign_in_are_in_the_record(cast: Cast) -> None:
    name_change(user=cast.ben.user, name="Benjamin")
    name_change(user=cast.ben.user, name="Benjamin")
    fields = {"login": "ben@example.org", "password": PASSWORD}
    headers = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    Client().post(reverse("account_login"), fields, headers=headers)
    assert record(cast.ben)[-2:] == [
        "Ben changed their own name to Benjamin.",
        "Benjamin signed in with Firefox on Linux.",
    ]


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("curl/8.5.0", "Ben signed in."),
        ("Hub/2 (iPhone; iOS 18.1)", "Ben signed in on iPhone."),
        ("Firefox/140.0", "Ben signed in with Firefox."),
    ],
)
def test_the_record_says_of_a_browser_what_is_known(cast: Cast, user_agent: str, words: str) -> None:
    fields = {"login": "ben@example.org", "password": PASSWORD}
    Client().post(reverse("account_login"), fields, headers={"User-Agent": user_agent})
    assert record(cast.ben)[-1] == words


def test_every_address_of_allauth_is_offered_leads_to_the_account_or_is_absent() -> None:
    ours = {(name, route.removeprefix("^")) for name, route in names(offered)}
    assert {(name, route) for name, route in names(of_allauth)} == ours


@pytest.mark.parametrize(
    "path",
    ["signup/", "password/set/", "confirm-email/", "confirm-email/a:b/", "login/code/confirm/", "3rdparty/"],
)
def test_what_is_not_offered_is_absent(client: Client, cast: Cast, path: str) -> None:
    for person in (None, cast.anna.user):
        if person:
            client.force_login(person)
        assert client.get(f"/accounts/{path}").status_code == 404
        assert client.post(f"/accounts/{path}").status_code == 404


@pytest.mark.parametrize("name", ["mfa_index", "mfa_list_webauthn", "usersessions_list", "account_email"])
def test_what_allauth_has_in_many_pages_leads_to_the_account(client: Client, cast: Cast, name: str) -> None:
    client.force_login(cast.ben.user)
    assert client.get(reverse(name))["Location"] == reverse("households:account")


def test_each_sign_in_has_a_new_session_and_the_table_none_of_the_keys(client: Client, cast: Cast) -> None:
    client.get(reverse("account_reset_password_from_key", kwargs={"uidb36": "1", "key": "a-b"}))
    before = SessionStore()
    before["fixed"] = "by a stranger"
    before.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = before.session_key or ""
    assert sign_in(client)["Location"] == "/"
    first = client.cookies[settings.SESSION_COOKIE_NAME].value
    assert first != before.session_key
    assert not SessionStore().exists(before.session_key or "")
    client.post(reverse("account_logout"))
    sign_in(client)
    second = client.cookies[settings.SESSION_COOKIE_NAME].value
    assert second not in (first, "")
    rows = {
        *Session.objects.values_list("pk", flat=True),
        *UserSession.objects.values_list("session_key", flat=True),
    }
    assert rows == {session_name(second)}
    stolen = Client()
    stolen.cookies[settings.SESSION_COOKIE_NAME] = session_name(second)
    assert stolen.get("/")["Location"].startswith("/accounts/login/")


def test_a_sign_in_stands_in_the_record_of_each_home_of_the_person_and_in_no_other(
    client: Client, cast: Cast
) -> None:
    other = Membership.objects.create(user=cast.ben.user, household=cast.carla.household)
    sign_in(client, "ben@example.org")
    assert record(cast.ben)[-1:] == record(other)[-1:] == ["Ben signed in."]
    Client().post(reverse("account_login"), {"login": "anna@example.org", "password": "wrong"})
    Client().post(reverse("account_login"), {"login": "anna@example.org", "password": "wrong"})
    assert record(cast.anna).count("Somebody failed to sign in as Anna.") == 1
    assert "Somebody failed to sign in as Anna." not in record(other)


@pytest.mark.django_db(transaction=True)
def test_the_app_is_asked_after_the_password_and_a_recovery_code_works_once(
    client: Client, cast: Cast
) -> None:
    sign_in(client)
    secret = app_add(client)
    assert secret not in str(Authenticator.objects.values_list("data", flat=True))
    page = client.get(reverse("mfa_view_recovery_codes")).content.decode()
    codes = re.findall(r"\b\d{8}\b", page.partition('id="codes"')[2].partition("</pre>")[0])
    assert len(codes) == 10
    assert "Anna changed how they sign in: an authenticator app added." in record(cast.anna)
    other = Client()
    assert sign_in(other)["Location"] == reverse("mfa_authenticate")
    assert other.get("/")["Location"].startswith("/accounts/login/")  # half is nothing
    wrong = other.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert "This code is not right." in wrong.content.decode()
    code = code_of(secret)
    assert other.post(reverse("mfa_authenticate"), {"code": code})["Location"] == "/"
    third = Client()
    sign_in(third)
    again = third.post(reverse("mfa_authenticate"), {"code": code})
    assert again.status_code == 200  # nobody takes a code twice
    assert third.post(reverse("mfa_authenticate"), {"code": codes[3]})["Location"] == "/"
    fourth = Client()
    sign_in(fourth)
    assert fourth.post(reverse("mfa_authenticate"), {"code": codes[3]}).status_code == 200


def test_wrong_codes_count_together_with_wrong_passwords(client: Client, cast: Cast) -> None:
    sign_in(client)
    secret = app_add(client)
    other = Client()
    for _ in range(2):
        sign_in(other, password="wrong")
    sign_in(other)
    for _ in range(3):
        other.post(reverse("mfa_authenticate"), {"code": "000000"})
    late = other.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    assert "Too many wrong tries for this account, here or elsewhere." in late.content.decode()
    assert "Too many wrong tries for this account, here or elsewhere." in sign_in(Client()).content.decode()


def test_turning_the_app_off_needs_a_password_of_just_now_and_leads_back_with_a_word(
    client: Client, cast: Cast
) -> None:
    sign_in(client)
    secret = app_add(client)
    other = Client()
    sign_in(other)
    other.post(reverse("mfa_authenticate"), {"code": code_of(secret)})
    assert other.get(reverse("mfa_deactivate_totp")).status_code == 200  # signed in just now
    sign_ins_grow_old()
    asked = other.get(reverse("mfa_deactivate_totp"))
    assert asked["Location"].startswith(reverse("account_reauthenticate"))
    assert ask_again(other, "mfa_deactivate_totp")["Location"] == reverse("mfa_deactivate_totp")
    done = other.post(reverse("mfa_deactivate_totp"), follow=True)
    assert done.redirect_chain[-1][0] == reverse("households:account")
    assert [str(m) for m in done.context["messages"]] == ["Your authenticator app is off."]
    assert not Authenticator.objects.exists()
    assert "Anna changed how they sign in: an authenticator app removed." in record(cast.anna)


def test_a_new_password_signs_out_everywhere_else_and_says_so(client: Client, cast: Cast) -> None:
    sign_in(client)
    other = Client()
    sign_in(other)
    fields = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    done = client.post(reverse("account_change_password"), fields, follow=True)
    assert done.redirect_chain[-1][0] == reverse("households:account")
    assert [str(m) for m in done.context["messages"]] == [
        "Your password is changed. You are signed out everywhere else."
    ]
    assert client.get("/").status_code == 200
    assert other.get("/").status_code == 302
    assert Session.objects.count() == UserSession.objects.count() == 1
    assert "Anna changed their password." in record(cast.anna)
    assert not any("signed out" in entry for entry in record(cast.anna))
    assert sign_in(Client(), password=NEW)["Location"] == "/"


def test_the_address_is_changed_with_the_password_only_and_to_no_one_elses(
    client: Client, cast: Cast
) -> None:
    sign_in(client)
    url = reverse("households:account-email")
    for fields, words in (
        ({"email": "anna@new.example.org", "password": "wrong"}, "This is not your password."),
        ({"email": "Carla@example.org", "password": PASSWORD}, "This address cannot be used here."),
        ({"email": "nobody", "password": PASSWORD}, "Enter a valid email address."),
    ):
        answer = client.post(url, fields)
        assert (answer.status_code, words in answer.content.decode()) == (400, True)
    done = client.post(url, {"email": "Anna@New.example.org", "password": PASSWORD}, follow=True)
    assert done.redirect_chain == [(reverse("households:account"), 302)]
    assert "From now on you sign in with this address." in done.content.decode()
    assert sign_in(Client(), "anna@new.example.org")["Location"] == "/"
    assert "do not belong together" in sign_in(Client()).content.decode()
    assert "Anna changed how they sign in: another e-mail address." in record(cast.anna)


@pytest.mark.django_db(transaction=True)
def test_an_address_that_two_take_at_once_is_that_of_one_and_the_other_reads_it(
    client: Client, cast: Cast
) -> None:
    sign_in(client)
    answers: list[Any] = []

    def take() -> None:
        fields = {"email": "lake@example.org", "password": PASSWORD}
        answers.append(client.post(reverse("households:account-email"), fields))

    with before(take):
        email_change(user=cast.carla.user, email="lake@example.org")
    assert answers[0].status_code == 400
    assert "This address cannot be used here." in answers[0].content.decode()
    assert sign_in(Client())["Location"] == "/", "with the one that she had"
    assert not any("e-mail" in entry for entry in record(cast.anna))


def test_the_name_is_changed(client: Client, cast: Cast) -> None:
    client.force_login(cast.anna.user)
    done = client.post(reverse("households:account"), {"name": "Anna Lake"}, follow=True)
    assert "Saved." in done.content.decode()
    cast.anna.user.refresh_from_db()
    assert cast.anna.user.name == "Anna Lake"


def test_one_session_is_ended_and_all_others_and_nobody_elses(client: Client, cast: Cast) -> None:
    clients = [Client(HTTP_USER_AGENT=f"Mozilla/5.0 (X11; Linux x86_64) Firefox/{n}") for n in range(3)]
    for one in clients:
        sign_in(one)
        one.get("/")
    sign_in(client, "carla@example.org")
    hers = UserSession.objects.get(user=cast.carla.user)
    page = clients[0].get(reverse("households:account")).content.decode()
    assert page.count("Firefox on Linux") >= 3
    own = UserSession.objects.get(user=cast.anna.user, user_agent__endswith="Firefox/1")
    assert clients[0].post(reverse("households:session-end", args=[hers.pk])).status_code == 404
    assert clients[0].post(reverse("households:session-end", args=[own.pk])).status_code == 302
    assert [one.get("/").status_code for one in clients] == [200, 302, 200]
    clients[0].post(reverse("households:sessions-end"))
    assert [one.get("/").status_code for one in clients] == [200, 302, 302]
    assert client.get("/").status_code == 200


def test_two_browsers_of_one_kind_are_told_apart_by_the_moment_since_when(client: Client, cast: Cast) -> None:
    for at in (datetime(2026, 3, 1, 8, 5, tzinfo=UTC), datetime(2026, 3, 1, 19, 40, tzinfo=UTC)):
        other = Client(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64) Firefox/1")
        sign_in(other)
        other.get("/")
        UserSession.objects.filter(created_at__gt=now() - timedelta(minutes=5)).update(created_at=at)
    sign_in(client)
    page = client.get(reverse("households:account")).content.decode()
    assert "1 March, 08:05" in page
    assert "1 March, 19:40" in page


def test_who_signs_another_browser_out_leaves_that_in_the_record_of_each_home(cast: Cast) -> None:
    second = Membership.objects.create(user=cast.anna.user, household=cast.carla.household, role=Role.ADULT)
    agents = ("curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64) Firefox/1", "Hub/2 (iPhone; iOS 18.1)")
    own, *others = [Client(HTTP_USER_AGENT=agent) for agent in agents]
    for one in (own, *others):
        sign_in(one)
        one.get("/")
    began = {member: len(record(member)) for member in (cast.anna, second)}
    row = UserSession.objects.get(user_agent__endswith="Firefox/1")
    url = reverse("households:session-end", args=[row.pk])
    assert [own.post(url).status_code for _ in range(2)] == [302, 404]
    own.post(reverse("households:sessions-end"))
    for member, count in began.items():
        assert record(member)[count:] == [
            "Anna signed out another browser: Firefox on Linux.",
            "Anna signed out another browser on iPhone.",
        ]
    with scope(household=second.household):
        assert group_of(audit_list(second.household)[0].kind) == Group.SIGN_INS


def test_a_password_link_ends_every_session_and_asks_for_the_second_factor_still(
    client: Client, cast: Cast
) -> None:
    sign_in(client)
    app_add(client)
    other = Client()
    cast.anna.user.refresh_from_db()
    page = other.get(password_link_path(cast.anna.user), follow=True)
    other.post(page.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    assert client.get("/").status_code == 302
    assert sign_in(Client(), password=NEW)["Location"] == reverse("mfa_authenticate")
    assert "A new password for Anna was chosen, with a link that whoever runs the hub had." in record(
        cast.anna
    )


def readable(row: Session) -> bytes:
    """What somebody reads in the row who has the database and nothing else."""
    text = row.session_data.split(":")[0]
    packed, text = text.startswith("."), text.removeprefix(".")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return zlib.decompress(data) if packed else data


def test_the_table_tells_nothing_of_what_is_half_done(client: Client, cast: Cast) -> None:
    sign_in(client)
    page = client.get(reverse("mfa_activate_totp")).content.decode()
    secret = client.session["mfa.totp.secret"]
    assert secret in page
    other = Client()
    cast.ben.user.refresh_from_db()
    link = password_link_path(cast.ben.user)
    assert other.get(link, follow=True).status_code == 200
    key = other.session["_password_reset_key"]
    assert key in link
    assert Session.objects.count() == 2
    for row in Session.objects.all():
        for hidden in (secret, key, "_auth_user_id", "reset"):
            assert hidden.encode() not in readable(row)


def test_a_session_of_an_earlier_version_goes_on(client: Client, cast: Cast) -> None:
    sign_in(client)
    row, store = Session.objects.get(), SessionStore()
    row.session_data = signing.dumps(
        row.get_decoded(), salt=store.key_salt, serializer=JSONSerializer, compress=True
    )
    assert b"_auth_user_id" in readable(row)
    row.save()
    assert client.get("/").status_code == 200


def test_with_another_secret_of_the_hub_people_are_signed_out(
    client: Client, cast: Cast, settings: LazySettings
) -> None:
    sign_in(client)
    settings.DATA_KEY = "another one of the usual length"
    assert client.get("/").status_code == 302


def test_password_managers_find_the_fields(client: Client, cast: Cast) -> None:
    page = client.get(reverse("account_login")).content.decode()
    assert 'autocomplete="username webauthn"' in page
    assert 'autocomplete="current-password"' in page
    client.force_login(cast.anna.user)
    page = client.get(reverse("account_change_password")).content.decode()
    assert page.count('autocomplete="new-password"') == 2
    assert 'autocomplete="username"' in page


def test_every_page_has_our_look_and_no_word_of_allauth(client: Client, cast: Cast) -> None:
    sign_in(client)
    app_add(client)
    for name in (
        "households:account",
        "households:account-email",
        "account_change_password",
        "account_reauthenticate",
        "mfa_reauthenticate",
        "mfa_deactivate_totp",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_add_webauthn",
    ):
        answer = client.get(reverse(name))
        assert answer.status_code == 200, name
        assert all(
            not t.origin.name or "site-packages/allauth" not in t.origin.name
            for t in answer.templates
            if t.origin
        ), name
        assert "Security Key" not in answer.content.decode()
    assert client.get(reverse("mfa_download_recovery_codes"))["Content-Type"] == "text/plain"


def test_who_is_asked_for_the_password_once_more_leaves_nothing_of_the_form_in_the_table(
    client: Client, cast: Cast
) -> None:
    """allauth would keep the whole request, with the cookie."""
    sign_in(client)
    app_add(client)
    sign_ins_grow_old()
    here = reverse("mfa_generate_recovery_codes")
    answer = client.post(here)
    assert answer["Location"] == f"{reverse('account_reauthenticate')}?next={quote(here, safe='')}"
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    for row in Session.objects.all():
        assert key not in str(row.get_decoded())
        assert "account_reauthentication_state" not in row.get_decoded()
    assert ask_again(client, "mfa_generate_recovery_codes")["Location"] == here
    assert client.get(here).status_code == 200
