"""Recordings of three kinds: one that an adult may hear, one that a rule keeps from them, and another home's."""

import http.client
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from calls.models import Call
    from devices.models import Device
    from households.models import Membership
    from tests.plugin_cast import Cast

_MARK_BYTES: Final = 16
_EVERY_BYTES: Final = 64
_TIMEOUT_S: Final = 60.0


def sound_make(size: int) -> tuple[bytes, bytes]:
    """Bytes that nobody guesses, and the mark that stands in them every so often."""
    mark = os.urandom(_MARK_BYTES)
    blocks = [mark + os.urandom(_EVERY_BYTES - _MARK_BYTES) for _ in range(size // _EVERY_BYTES + 1)]
    return b"".join(blocks)[:size], mark


@dataclass(frozen=True)
class Sound:
    """A call that was recorded."""

    call: "Call"
    whole: bytes
    mark: bytes
    path: Path

    @property
    def url(self) -> str:
        return f"/calls/{self.call.public_id}/audio/"


@dataclass
class House:
    """`marks`: what must never come back, by name."""

    cast: "Cast"
    dora: "Membership"
    attic: "Device"
    own: Sound
    hidden: Sound
    foreign: Sound
    marks: dict[str, bytes] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


def house_make(outside: Path) -> House:
    """Anna's home and Carla's. Dora is an adult at Anna's, and only Anna may hear what is said in the attic."""
    from common.clock import now
    from households.models import Membership, User
    from households.roles import Permission
    from tests.plugin_cast import PASSWORD, _cast_make, device_make, rule_make

    cast = _cast_make()
    user = User.objects.create_user("dora@example.org", PASSWORD, name="Dora")
    dora = Membership.objects.create(
        user=user, household=cast.anna.household, role="adult", consented_at=now()
    )
    attic, _ = device_make(cast.anna, "Attic speaker", "Attic")
    rule_make(Permission.RECORDINGS_HEAR, cast.anna, device=attic)
    own = recorded(cast.anna, cast.kitchen, 4000)
    hidden, foreign = recorded(cast.anna, attic, 4000), recorded(cast.carla, cast.cellar, 4000)
    house = House(cast, dora, attic, own, hidden, foreign)
    _canaries(house, outside)
    return house


def recorded(member: "Membership", device: "Device", size: int, *, is_sealed: bool = True) -> Sound:
    """A call of this home with a listening copy; unsealed as of a hub of before."""
    from calls.models import Call, ListeningCopy
    from calls.recording.sounds import sound_path, sound_scratch, sound_seal
    from common.clock import now
    from common.files import file_write_private

    home = member.household
    call = Call.objects.create(
        household=home,
        device=device,
        started_by=member.user,
        state="ended",
        outcome="answered",
        ended_at=now(),
    )
    whole, mark = sound_make(size)
    name, key = f"{home.public_id}/{call.public_id}/listening.m4a", b""
    if is_sealed:
        with sound_scratch() as scratch:
            scratch.write_bytes(whole)
            key = sound_seal(scratch, household=home, name=name)
    else:
        file_write_private(sound_path(name), whole)
    ListeningCopy.objects.create(
        household=home,
        call=call,
        name=name,
        duration_s=1,
        size_bytes=size,
        key=key,
        peaks={"caller": [], "others": []},
    )
    return Sound(call, whole, mark, sound_path(name))


def _canaries(house: House, outside: Path) -> None:
    """In files around the recordings, and in what lies there anyway."""
    from django.conf import settings

    data: Path = settings.DATA_DIR
    places = {
        "outside of the data folder": outside / "canary.txt",
        "in the data folder": data / "canary.txt",
        "beside the recordings": data / "recordings-canary" / "canary.txt",
        "below the recordings": data / "recordings" / "canary.txt",
        "in the captures": data / "captures" / "canary.txt",
    }
    for name, path in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        house.marks[name] = secrets.token_hex(_MARK_BYTES).encode()
        path.write_bytes(house.marks[name])
    for path in sorted((data / "secrets").glob("*")):
        house.marks[f"the secret {path.name}"] = path.read_bytes().strip()[-24:]
    house.marks |= {
        "a foreign recording": house.foreign.mark,
        "a recording kept from them": house.hidden.mark,
    }
    house.marks |= {"a sealed file": b"HLSEAL\x00", "the passwords of the machine": b"root:x:0:0"}
    wanted = [
        *places.values(),
        house.foreign.path,
        house.hidden.path,
        house.own.path,
        data / "secrets" / "SECRET_KEY",
    ]
    house.files = ["etc/passwd", *(str(path) for path in wanted)]
    house.files += [str(path.relative_to(data)) for path in (*wanted[1:], data / "postgres" / "PG_VERSION")]


@dataclass(frozen=True)
class Answer:
    """`status` 0: the hub hung up without a word."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line(http.client.HTTPConnection):
    """Sends addresses as they are, however broken, and goes on after a hang-up."""

    def __init__(self, url: str, cookies: Mapping[str, str]) -> None:
        super().__init__(urlsplit(url).netloc, timeout=_TIMEOUT_S)
        self._cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())

    def ask(self, target: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
        try:
            self.putrequest(method, target, skip_accept_encoding=True)
            for name, value in {"Cookie": self._cookie, **(headers or {})}.items():
                self.putheader(name, value.encode("latin-1"))
            self.endheaders()
            response = self.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        except (OSError, http.client.HTTPException):
            self.close()
            return Answer(0, {}, b"")

    def _validate_path(self, url: str) -> None:
        """What is invalid is what is tried."""

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")
