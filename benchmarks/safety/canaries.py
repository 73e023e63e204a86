"""S26: secrets that everybody would know again, searched wherever they do not belong.

Ten are of the hub and of a person, others of what happens in a home (benchmarks.safety.canaries_life).
"""

import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import redis

from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.canaries_life import PASSWORD_LINK, Life, kept_keys
from tests.operate.hub_process import ROOT, HubProcess, environment_for

FIGURES: Final = (
    *("S26.logs", "S26.pages", "S26.redis", "S26.files", "S26.backup", "S26.planted"),
    "S26.deploy",
)
PLANTED: Final = 20
# Where the hub keeps its own keys, readable by nobody else. What people said is kept as they said it.
_KEYS_LIE_IN: Final = ("secrets", "authority/ca-key.pem")
_NO_SECRET: Final = "words"
_GIVEN: Final = ("SECRET_KEY", "DATA_KEY", "TURN_SECRET")
_EMAIL: Final = "anna@example.org"
_PLANT: Final = """
import django; django.setup()
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from households.models import Household, Membership, User
from households.services import api_token_create
from households.accounts.sign_in import password_link_path
user = User.objects.get()
seed = generate_totp_secret()
TOTP.activate(user, seed)
print("app", seed)
print("recovery", RecoveryCodes.activate(user).get_unused_codes()[0])
print("token", api_token_create(membership=Membership.objects.get(), name="robot")[1])
from households.keys import _household_key
for home in Household.objects.all():
    print("key", _household_key(home).hex())
print("link", password_link_path(user).rstrip("/").rpartition("-")[2])
"""
_BREAK: Final = """
import sys
import django; django.setup()
from django.test import Client
from django.urls import path
import config.urls
def broken(request):
    words = sys.argv[1:]
    raise RuntimeError("a part of the hub broke")
config.urls.urlpatterns.insert(0, path("healthz", broken))
password, token, session = sys.argv[1:]
client = Client(raise_request_exception=False, HTTP_COOKIE=f"hearthline_session={session}", HTTP_AUTHORIZATION=token)
answer = client.get("/healthz", {"password": password, "token": token})
assert answer.status_code == 500, answer.status_code
print(answer.content.decode())
"""


@dataclass
class House:
    """The hub as people start it, and what was planted in it, by name."""

    hub: HubProcess
    planted: dict[str, str]
    pages: list[str] = field(default_factory=list)
    redis: list[str] = field(default_factory=list)

    def found(self, text: str) -> set[str]:
        found = {name for name, secret in self.planted.items() if secret in text}
        return found | ({"link for a new password"} if PASSWORD_LINK.search(text) else set())


def measure(options: Options) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="hearthline-canaries-") as folder:
        planted = {name: secrets.token_urlsafe(40) for name in _GIVEN}
        given = {f"HUB_{name}": secret for name, secret in planted.items()}
        hub = HubProcess(Path(folder) / "data", environment=given)
        house = House(hub, planted)
        try:
            with _watched(house):
                _live(house, given)
                backup = _backup(house, Path(folder), given)
                broken = _broken(house, given)
            hub.end(signal.SIGTERM, within_s=60.0)
            files = _files(house)
            logs = "\n".join([*hub.so_far(), *_texts(hub.data_dir / "log"), broken])
        finally:
            hub.close()
    _check_watched(house, logs)
    return [*_figures(house, logs, backup, files), _deploy()]


def _check_watched(house: House, logs: str) -> None:
    """Nothing is found where nobody looked. Raises RuntimeError."""
    looked = {
        "the window": "Hearthline is ready" in logs,
        "Redis": any("tts" in words and "announcements" in words for words in house.redis),
        "the pages": any("Something broke in the hub" in page for page in house.pages),
    }
    if unseen := [name for name, is_seen in looked.items() if not is_seen]:
        raise RuntimeError(f"not watched: {', '.join(unseen)}")


def _figures(house: House, logs: str, backup: bytes, files: set[str]) -> list[Figure]:
    places = (
        ("S26.logs", "secrets in the window and the logs", house.found(logs)),
        ("S26.pages", "secrets in pages of errors", house.found("\n".join(house.pages))),
        ("S26.redis", "secrets in Redis and in messages of Celery", house.found("\n".join(house.redis))),
        ("S26.files", "secrets in files that are not encrypted", files),
        ("S26.backup", "secrets in a backup", house.found(backup.decode("latin-1"))),
    )
    planted = figure(
        "S26.planted",
        "secrets that were planted, each known again",
        len(set(house.planted.values())),
        "",
        bar=f">= {PLANTED}",
        reference=f"{len(house.redis)} words to Redis, {len(house.pages)} pages, {len(backup)} bytes of backup",
    )
    found = [
        figure(figure_id, name, len(names), "", bar="= 0", reference=", ".join(sorted(names)))
        for figure_id, name, names in places
    ]
    return [*found, planted]


@contextmanager
def _watched(house: House) -> Iterator[None]:
    """Every word that anybody says to Redis meanwhile, and what lies there at the end."""
    house.hub.until("ready after")
    url = f"unix://{house.hub.data_dir}/run/valkey.sock"
    is_over = threading.Event()

    def listen() -> None:
        client = redis.Redis.from_url(url, socket_timeout=1.0)
        with client.monitor() as monitor:  # type: ignore[no-untyped-call]
            while not is_over.is_set():
                try:
                    house.redis.append(str(monitor.next_command()["command"]))
                except redis.TimeoutError:
                    continue

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield
    is_over.set()
    thread.join(timeout=10)
    client = redis.Redis.from_url(url)
    house.redis += [str(key) + str(_value(client, key)) for key in client.scan_iter()]


def _value(client: redis.Redis, key: bytes) -> object:
    try:
        return client.dump(key)
    except redis.RedisError:
        return b""


def _live(house: House, given: Mapping[str, str]) -> None:
    """Set up, sign in with mistakes, say something, and ask for what there is not."""
    hub, planted = house.hub, house.planted
    planted |= {"password": secrets.token_urlsafe(24), "words": f"The key lies under {secrets.token_hex(12)}"}
    token = re.search(r"setup/\?token=(\S+)", "\n".join(hub.lines))
    base = f"http://127.0.0.1:{hub.port}"
    csrf = secrets.token_hex(16)
    with httpx.Client(
        base_url=base,
        cookies={"csrftoken": csrf},
        headers={"X-CSRFToken": csrf},
        timeout=60.0,
        trust_env=False,
    ) as browser:
        setup = {
            "token": token[1] if token else "",
            "name": "Anna",
            "email": _EMAIL,
            "password": planted["password"],
            "household_name": "Lake House",
            "time_zone": "UTC",
            "language": "en",
        }
        answer = browser.post("/setup/", data=setup | {"consents": "on", "consent": "on"})
        if answer.status_code != httpx.codes.FOUND:
            raise RuntimeError(f"the set-up answered {answer.status_code}")
        kept = {name: answer.cookies[name] for name in ("csrftoken", "hearthline_session")}
        browser.cookies.clear()
        browser.cookies.update(kept)
        browser.headers["X-CSRFToken"] = kept["csrftoken"]
        said = _run(house.hub.data_dir, given, "-c", _PLANT).split("\n")
        planted["session"] = kept["hearthline_session"]
        lines = [line.split(" ", 1) for line in said if line]
        planted |= {name: secret for name, secret in lines if name != "key"}
        stranger = httpx.Client(base_url=base, timeout=60.0, trust_env=False)
        life = Life(browser, stranger, planted["password"])
        life.live()
        planted |= life.planted
        planted |= kept_keys(hub.data_dir, [bytes.fromhex(secret) for name, secret in lines if name == "key"])
        house.pages += life.pages
        browser.post("/announce/preview/", data={"text": planted["words"]}).raise_for_status()
        time.sleep(5)  # until the task was taken
        for path in (
            "/nothing/",
            f"/calls/{planted['token']}/",
            f"/accounts/password/reset/key/1-{planted['link']}/",
        ):
            house.pages.append(
                browser.get(path, params={"token": planted["token"]}, follow_redirects=True).text
            )
        secrets_of_a_form = {"login": _EMAIL, "password": planted["password"], "code": planted["recovery"]}
        for path in ("/accounts/login/", "/setup/", "/accounts/2fa/authenticate/", "/settings/tokens/"):
            house.pages.append(
                stranger.post(path, data=secrets_of_a_form).text
            )  # without the token of a form
            house.pages.append(stranger.put(path, data=secrets_of_a_form).text)
        browser.post("/accounts/login/", data={"login": _EMAIL, "password": planted["password"]})
        stranger.post("/api/v1/devices/token", content=planted["token"])


def _files(house: House) -> set[str]:
    """What lies open in the data folder, also in the files of the database. `FILE: SECRET` each."""
    folder, found = house.hub.data_dir, set()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and not path.is_symlink() and not name.startswith(_KEYS_LIE_IN):
            words = house.found(path.read_bytes().decode("latin-1")) - {_NO_SECRET}
            found |= {f"{name.split('/', maxsplit=1)[0]}: {word}" for word in words}
    return found


def _backup(house: House, folder: Path, given: Mapping[str, str]) -> bytes:
    phrase = folder / "phrase"
    phrase.write_text(secrets.token_urlsafe(24))
    target = folder / "hub.backup"
    _run(house.hub.data_dir, given, "manage.py", "backup", str(target), "--passphrase-file", str(phrase))
    return target.read_bytes()


def _broken(house: House, given: Mapping[str, str]) -> str:
    """A page behind which something breaks, with secrets in what was sent. The page, and what it wrote to the log."""
    names = ("password", "token", "session")
    said = _run(house.hub.data_dir, given, "-c", _BREAK, *(house.planted[name] for name in names))
    house.pages.append(said)
    return said


def _run(data_dir: Path, given: Mapping[str, str], *words: str) -> str:
    environment = (
        environment_for(data_dir) | dict(given) | {"DJANGO_SETTINGS_MODULE": "config.settings.production"}
    )
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout[-2000:])
    return done.stdout


def _texts(folder: Path) -> list[str]:
    return [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]


def _deploy() -> Figure:
    """With HTTPS, and without."""
    warnings = 0
    for url in ("https://hub.example.org", "http://192.168.1.10:8000"):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "manage.py", "check", "--deploy"],
                cwd=ROOT,
                env=environment_for(Path(folder))
                | {"DJANGO_SETTINGS_MODULE": "config.settings.production", "HUB_URL": url},
                capture_output=True,
                text=True,
                check=False,
            )
        warnings += len(re.findall(r"^\S*: \(", done.stderr, re.MULTILINE))
        if "no issues" not in done.stdout:
            warnings = max(warnings, 1)
    return figure("S26.deploy", "warnings of check --deploy, with HTTPS and without", warnings, "", bar="= 0")
