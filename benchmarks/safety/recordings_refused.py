"""Links to recordings that are worth nothing any more, or never were: expired, foreign, deleted."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import httpx

from benchmarks.safety.recordings_planted import House, Sound, recorded
from benchmarks.safety.service import Service

if TYPE_CHECKING:
    from announcements.models import AnnouncementDelivery
    from households.models import Membership, User

_ASKED: Final[tuple[tuple[str, str, dict[str, str]], ...]] = (
    ("GET", "", {}),
    ("HEAD", "", {}),
    ("GET", "", {"Range": "bytes=0-63"}),
    ("GET", "", {"Range": "bytes=-64"}),
    ("GET", "download", {}),
)
_SIZE: Final = 4000


@dataclass(frozen=True)
class Link:
    """`end` takes away what opened it before. Without one it never was theirs, and `owner` shows that it works."""

    name: str
    url: str
    client: httpx.Client
    owner: httpx.Client
    mark: bytes
    end: Callable[[], object] | None = None

    def served(self) -> int:
        """In how many ways it still gives something. Raises RuntimeError for one that never worked."""
        if not _is_served(self.client if self.end else self.owner, self.url, self.mark, *_ASKED[0]):
            raise RuntimeError(f"{self.name}: it never opened anything")
        if self.end:
            self.end()
        return sum(_is_served(self.client, self.url, self.mark, *asked) for asked in _ASKED)


def ways() -> int:
    return len(_ASKED)


def _is_served(
    client: httpx.Client, url: str, mark: bytes, method: str, query: str, headers: dict[str, str]
) -> bool:
    address = url + ("&" if "?" in url else "?") * bool(query) + query
    answer = client.request(method, address, headers=headers)
    return answer.status_code in (200, 206) or mark in answer.content


def links(service: Service, house: House) -> Iterator[Link]:
    yield from _foreign(service, house)
    yield from _expired(service, house)
    yield from _deleted(service, house)
    yield from _clips(service, house)


def _foreign(service: Service, house: House) -> Iterator[Link]:
    from calls.models import ListeningCopy
    from tests.plugin_cast import guest_make, loan_make

    cast, own, hidden = house.cast, house.own, house.hidden
    anna, carla, nobody = service.person(cast.anna.user), service.person(cast.carla.user), service.device()
    guest = guest_make(cast)
    loan_make(cast.kitchen, guest, can_talk=True, can_listen=True, can_announce=True)
    copy = ListeningCopy.objects.get(call=own.call)
    yield Link("nobody signed in", own.url, nobody, anna, own.mark)
    yield Link("the owner of another home", own.url, carla, anna, own.mark)
    yield Link("another home's recording", house.foreign.url, anna, carla, house.foreign.mark)
    yield Link("a child", own.url, service.person(cast.ben.user), anna, own.mark)
    yield Link("a guest to whom the device is lent", own.url, service.person(guest.user), anna, own.mark)
    yield Link(
        "an adult whom a rule leaves out", hidden.url, service.person(house.dora.user), anna, hidden.mark
    )
    for name, strange_id in (("the id of the copy", copy.public_id), ("the id of nothing", uuid4())):
        strange = Link(name, own.url.replace(str(own.call.public_id), str(strange_id)), anna, anna, own.mark)
        yield _Strange(**strange.__dict__)


class _Strange(Link):
    """Its address never works, for nobody."""

    def served(self) -> int:
        return sum(_is_served(self.client, self.url, self.mark, *asked) for asked in _ASKED)


def _expired(service: Service, house: House) -> Iterator[Link]:
    from django.contrib.sessions.models import Session

    from common.clock import now
    from households.models import User
    from households.people.members import member_remove, role_change
    from households.roles import Permission, Role
    from tests.plugin_cast import rule_make

    own, by = house.own, house.cast.anna

    def link(name: str, member: "Membership", end: Callable[[httpx.Client], object]) -> Link:
        client = service.person(member.user)
        return Link(name, own.url, client, client, own.mark, lambda: end(client))

    def of_session(client: httpx.Client) -> object:
        from django.conf import settings

        from households.accounts.sessions import session_name

        name = session_name(client.cookies[settings.SESSION_COOKIE_NAME])
        return Session.objects.filter(session_key=name).update(expire_date=now() - timedelta(seconds=1))

    def password(user: "User") -> None:
        user.set_password("another long password")
        user.save()

    adults = [_adult(house, number) for number in range(6)]
    yield link("a session that ran out", adults[0], of_session)
    yield link("signed out", adults[1], lambda client: client.post("/accounts/logout/"))
    yield link("another password", adults[2], lambda _: password(adults[2].user))
    yield link("removed from the home", adults[3], lambda _: member_remove(member=adults[3], by=by))
    yield link("a child now", adults[4], lambda _: role_change(member=adults[4], role=Role.CHILD, by=by))
    yield link(
        "an account that is shut",
        adults[5],
        lambda _: User.objects.filter(pk=adults[5].user.pk).update(is_active=False),
    )

    def rule(_: httpx.Client) -> object:
        return rule_make(Permission.RECORDINGS_HEAR, by, device=house.cast.kitchen)

    yield link("left out by a rule since", house.dora, rule)


def _adult(house: House, number: int) -> "Membership":
    from common.clock import now
    from households.models import Membership, User
    from tests.plugin_cast import PASSWORD

    user = User.objects.create_user(f"adult{number}@example.org", PASSWORD, name=f"Adult {number}")
    home = house.cast.anna.household
    return Membership.objects.create(user=user, household=home, role="adult", consented_at=now())


def _deleted(service: Service, house: House) -> Iterator[Link]:
    from calls.models import ListeningCopy
    from households.models import HouseholdKey

    cast = house.cast
    anna, carla = service.person(cast.anna.user), service.person(cast.carla.user)

    def of(sound: Sound) -> tuple[str, httpx.Client, httpx.Client, bytes]:
        return sound.url, anna, anna, sound.mark

    def one() -> Sound:
        return recorded(cast.anna, cast.kitchen, _SIZE)

    call, copy, file, key = one(), one(), one(), one()
    keys = ListeningCopy.objects.filter(call=key.call)
    yield Link("the call was deleted", *of(call), call.call.delete)
    yield Link("its recording was deleted", *of(copy), ListeningCopy.objects.filter(call=copy.call).delete)
    yield Link("its file was deleted", *of(file), file.path.unlink)
    yield Link("its key was destroyed", *of(key), lambda: keys.update(key=bytes(60)))
    there = house.foreign
    home_key = HouseholdKey.objects.filter(household=cast.carla.household)
    yield Link("the key of its home was destroyed", there.url, carla, carla, there.mark, home_key.delete)


def _clips(service: Service, house: House) -> Iterator[Link]:
    """Of what is said in announcements, for which the signed link is all that is asked."""
    from announcements.clips import clip_path
    from announcements.models import AnnouncementDelivery, ClipState, SpeechClip
    from announcements.services import announcement_send, clip_link
    from common.files import file_write_private
    from devices.services import device_unclaim
    from tests.plugin_cast import device_make

    cast, nobody = house.cast, service.device()

    def sent(text: str) -> "tuple[AnnouncementDelivery, bytes]":
        device, _ = device_make(cast.anna, f"Speaker {text}", f"Room {text}")
        announcement = announcement_send(membership=cast.anna, text=text, devices=[device])
        SpeechClip.objects.filter(pk=announcement.clip.pk).update(state=ClipState.READY)
        file_write_private(clip_path(announcement.clip), house.own.mark * 100)
        return AnnouncementDelivery.objects.get(announcement=announcement), house.own.mark

    old, other, gone, removed = (sent(text)[0] for text in ("One.", "Two.", "Three.", "Four."))
    mark, works = house.own.mark, clip_link(old)

    def bent(name: str, url: str) -> Link:
        return _Strange(name, url, nobody, nobody, mark)

    yield Link("a clip whose delivery was deleted", clip_link(gone), nobody, nobody, mark, gone.delete)
    yield Link(
        "a clip of a device that was removed", clip_link(removed), nobody, nobody, mark,
        lambda: device_unclaim(device=removed.device),
    )  # fmt: skip
    if not _is_served(nobody, _aged(old, 30), mark, *_ASKED[0]):
        raise RuntimeError("a link to a clip that is half a minute old does not work")
    yield bent("a link to a clip that is too old", _aged(old, 601))
    yield bent("the token of another clip", clip_link(other).split("?")[0] + "?" + works.split("?")[1])
    yield bent("a token that was changed", works[:-1] + ("A" if works[-1] != "A" else "B"))
    yield bent("no token", works.split("?")[0])


def _aged(delivery: "AnnouncementDelivery", seconds: int) -> str:
    """Its link as it was made so long ago."""
    from django.core import signing

    from announcements.services import _SALT, clip_link

    class Earlier(signing.TimestampSigner):
        def timestamp(self) -> str:
            return signing.b62_encode(int(time.time()) - seconds)

    token = Earlier(salt=_SALT).sign_object(str(delivery.public_id))
    return f"{clip_link(delivery).split('?')[0]}?token={token}"
