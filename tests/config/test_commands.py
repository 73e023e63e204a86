"""What whoever runs the hub can do for people who cannot get in."""

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import LazySettings
from django.core.cache import cache
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from common.address import address_note
from common.management.hub import HubCommand
from config.env import BASE_DIR
from households.record.audit import audit_list, audit_sentence
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

NEW = "a sentence that is new"


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    cache.clear()


def said(*words: str) -> list[str]:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue().split("\n")[:-1]


def test_a_link_has_the_address_and_the_port_of_the_hub_that_runs(
    client: Client, cast: Cast, settings: LazySettings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    address_note("http://localhost:8123", "http://192.168.1.10:8123")
    here, elsewhere = map(urlsplit, said("password_link", "Anna@example.org"))
    assert (here.netloc, elsewhere.netloc) == ("localhost:8123", "192.168.1.10:8123")
    page = client.get(here.path, follow=True)
    client.post(page.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    answer = Client().post(reverse("account_login"), {"login": "anna@example.org", "password": NEW})
    assert answer["Location"] == "/"
    assert "no longer works" in Client().get(elsewhere.path, follow=True).content.decode()
    settings.IS_HUB_URL_SET, settings.HUB_URL = True, "https://hub.example.org"
    assert said("password_link", "anna@example.org")[0].startswith("https://hub.example.org/accounts/")


def test_a_lost_second_factor_is_removed_with_the_sessions_and_a_line_in_the_record(cast: Cast) -> None:
    inside = Client()
    inside.post(reverse("account_login"), {"login": "anna@example.org", "password": PASSWORD})
    TOTP.activate(cast.anna.user, "JBSWY3DPEHPK3PXP")
    (line,) = said("second_factor_remove", "anna@example.org")
    assert "password alone now" in line
    assert not Authenticator.objects.exists()
    assert inside.get("/").status_code == 302
    answer = Client().post(reverse("account_login"), {"login": "anna@example.org", "password": PASSWORD})
    assert answer["Location"] == "/"
    with scope(household=cast.anna.household):
        lines = [audit_sentence(entry) for entry in audit_list(cast.anna.household)]
    assert "Whoever runs the hub removed the second factor of Anna, who had lost it." in lines


@pytest.mark.parametrize("name", ["password_link", "second_factor_remove"])
def test_nobody_is_said_to_be_nobody(cast: Cast, name: str) -> None:
    with pytest.raises(CommandError, match="Nobody signs in here as nobody"):
        call_command(name, "nobody@example.org")


@pytest.mark.parametrize(
    "words",
    [
        ["password_link", "anna@example.org"],
        ["backup", "hub.age", "--passphrase-file", "passphrase"],
    ],
    ids=lambda words: words[0],
)
def test_where_no_hub_is_found_one_sentence_says_what_to_do(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "passphrase").write_text("a long passphrase of some words")
    elsewhere = tmp_path / "elsewhere"
    done = manage(tmp_path, elsewhere, *words)
    assert (done.returncode, done.stderr.strip()) == (
        1,
        f"CommandError: There is no hub's data in {elsewhere}. Start the hub first, or set HUB_DATA_DIR.",
    )
    assert not elsewhere.exists()
    (elsewhere / "secrets").mkdir(parents=True)
    done = manage(tmp_path, elsewhere, *words)
    assert (done.returncode, done.stderr.strip()) == (
        1,
        f"CommandError: No hub runs with its data in {elsewhere}. "
        "Start the hub, or set HUB_DATA_DIR to the folder in which its data lies.",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check"], "System check identified no issues"),
        (["audit_verify", "activity.jsonl"], "Line 1 is not an entry of a record."),
    ],
    ids=["check", "audit_verify"],
)
def test_what_needs_no_hub_works_without_one_and_makes_no_folder_for_it(
    tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "activity.jsonl").write_text("something else\n")
    done = manage(tmp_path, tmp_path / "elsewhere", *words)
    assert said in done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["activity.jsonl"]


def test_a_folder_that_was_there_for_something_else_stays_as_it_is(tmp_path: Path) -> None:
    done = manage(tmp_path, tmp_path, "setup_link")
    assert "There is no hub's data in" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_start_says_in_a_sentence_that_the_data_folder_cannot_be_one(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("")
    done = manage(tmp_path, folder, "up")
    assert (done.returncode, done.stderr.strip()) == (
        1,
        f"The data folder {folder} cannot be used: File exists. "
        "See to whom it belongs, or name another one with HUB_DATA_DIR.",
    )


def manage(cwd: Path, data_dir: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    given = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.run(
        [sys.executable, str(BASE_DIR / "manage.py"), *words],
        cwd=cwd,
        env=given | {"HUB_DATA_DIR": str(data_dir), "DJANGO_SETTINGS_MODULE": "config.settings.test"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["setup_link", "second_factor_remove", "audit_verify", "turncheck"])
def test_the_other_commands_for_people_say_it_in_the_same_way(name: str) -> None:
    assert isinstance(load_command_class(get_commands()[name], name), HubCommand)
