"""Goes through every address with every method as somebody, and compares foreign ids with ids that do not exist.

Nothing here is made for one address: routes come from the URL resolver, fields from all forms, ids from all models.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode
from uuid import uuid4

from asgiref.sync import async_to_sync
from django.apps import apps
from django.core.cache import cache
from django.db import connection, transaction
from django.test import Client
from django_scopes import scopes_disabled

from common.speech_models import CATALOGUE
from config.access_table import ADDRESSES
from households.models import Household
from tests.access.ids import ABSENT_NUMBER, Ids, body_of, ids_of

# What differs from one answer to the next, whatever is asked.
_RANDOM: Final = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|nonce(?:-|=\")[^'\"]+|[A-Za-z0-9_=%-]{20,}"
    rb"|/(?:[0-9]{1,9}|2000000000)/"
)


# What the id in an address is of, by how the address begins; else of a device.
_KINDS: Final = {
    "announce/clips/": "speechclip",
    "announce/": "announcement",
    "calls/": "call",
    "people/invitations/": "invitation",
    "people/": "membership",
    "rooms/": "room",
    "settings/tokens/": "apitoken",
}


def kind_of(route: str) -> str:
    return next((kind for start, kind in _KINDS.items() if route.startswith(start)), "device")


def paths(route: str, ids: Ids, kinds: list[str]) -> list[str]:
    """The address with the ids of these kinds, one after the other."""
    plain = "/" + route.replace("<str:model_id>", CATALOGUE[0].id)
    plain = re.sub(r"\(\?P<uidb36>.*$", "x-y/", re.sub(r"\(\?P<key>[^)]*\)\)?/\$$", "x/", plain))
    found = []
    for kind in kinds:
        path = re.sub(r"<uuid:\w+>", str(ids.uuids.get(kind, uuid4())), plain)
        found.append(re.sub(r"<int:\w+>", str(ids.numbers.get(kind, ABSENT_NUMBER)), path))
    return found


def takes_id(route: str) -> bool:
    return "<uuid:" in route or "<int:" in route


@dataclass
class Person:
    """Whoever asks: a browser with or without a session, or a program with a token.

    `knows`: kinds of ids of the household that are no secret to them. `deeds`: "POST people/leave/" and the like, by
    which they change what is their own in it. `brings`: fields of every form that they send.
    """

    client: Client
    headers: dict[str, str] = field(default_factory=dict)
    knows: frozenset[str] = frozenset()
    deeds: frozenset[str] = frozenset()
    brings: dict[str, list[str]] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: dict[str, list[str]]) -> Any:
        """What the request did to rows and cookies is taken back, once `look` has seen it."""
        cookies, body = deepcopy(self.client.cookies), body | self.brings
        try:
            if method in ("GET", "HEAD"):
                return self.client.generic(method, f"{path}?{urlencode(body, True)}", headers=self.headers)
            return self.client.generic(
                method,
                path,
                urlencode(body, True).encode(),
                content_type="application/x-www-form-urlencoded",
                headers=self.headers,
            )
        finally:
            self.client.cookies = cookies


@contextmanager
def taken_back() -> Iterator[None]:
    """What is done inside leaves no rows, and no tries that were counted."""
    try:
        with transaction.atomic():
            yield
            transaction.set_rollback(True)
    finally:
        cache.clear()


def fingerprint(household: Household) -> str:
    """Of everything that the household has: another one means that something was written."""
    with scopes_disabled(), connection.cursor() as cursor:
        cursor.execute(_fingerprint_sql(), {"household": household.pk})
        return hashlib.sha256(repr(cursor.fetchall()).encode()).hexdigest()


_sql: list[str] = []


def _fingerprint_sql() -> str:
    if not _sql:
        rows = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} t WHERE {}"
        parts = ["SELECT md5(t::text) FROM households_household t WHERE id = %(household)s"]
        for model in apps.get_models():
            columns = {one.column for one in model._meta.local_fields}
            if "household_id" in columns:
                parts.append(rows.format(model._meta.db_table, "household_id = %(household)s"))
            elif "device_id" in columns:
                own = "device_id IN (SELECT id FROM devices_device WHERE household_id = %(household)s)"
                parts.append(rows.format(model._meta.db_table, own))
        _sql.append(" UNION ALL ".join(parts))
    return _sql[0]


def content_of(answer: Any) -> bytes:
    """Read once: what was streamed is kept in the answer."""
    if answer.streaming and not hasattr(answer, "kept"):
        answer.kept = (
            async_to_sync(_joined)(answer) if answer.is_async else b"".join(answer.streaming_content)
        )
    return bytes(answer.kept if answer.streaming else answer.content)


async def _joined(answer: Any) -> bytes:
    return b"".join([part async for part in answer])


Said = tuple[int, dict[str, str], bytes]


def said(answer: Any) -> Said:
    """The answer without what differs between any two: tokens, nonces, ids, and the values of cookies."""
    headers = {
        name: _RANDOM.sub(b"*", value.encode()).decode()
        for name, value in sorted(answer.headers.items())
        if name not in ("Expires", "Date", "Last-Modified")
    }
    cookies = {f"cookie {name}": morsel["path"] for name, morsel in answer.cookies.items()}
    return answer.status_code, {**headers, **cookies}, _RANDOM.sub(b"*", content_of(answer))


@dataclass
class Found:
    """What should not be: addresses with the reason. `deeds`: what was written, and is the person's own."""

    requests: int = 0
    deeds: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def walk_foreign(
    person: Person,
    *,
    of: Household,
    secrets: tuple[str, ...],
    every_kind: bool = True,
    compares: bool = True,
) -> Found:
    """`person` has nothing to do with the household, or with what the ids are of. `secrets`: words of its pages.

    Where an address takes an id, it gets one of `every_kind`, or one of the kind that it is for. `compares`: with one
    that nobody has.
    """
    theirs, found = ids_of(of).without(person.knows), Found()
    absent, before = theirs.absent(), fingerprint(of)
    known = {str(one) for one in theirs.uuids.values()}
    for route, methods in ADDRESSES.items():
        every = sorted({*theirs.uuids, *theirs.numbers}) if every_kind else [kind_of(route)]
        chosen = every if takes_id(route) else [""]
        for method in methods:
            for mine, none in zip(paths(route, theirs, chosen), paths(route, absent, chosen), strict=True):
                with taken_back():
                    answer = person.ask(method, mine, body_of(theirs))
                    first = said(answer)
                    is_written = fingerprint(of) != before
                deed = f"{method} {route}"
                if is_written and deed in person.deeds:
                    found.deeds.add(deed)
                    is_written = False
                second = first
                if compares:
                    with taken_back():
                        second = said(person.ask(method, none, body_of(absent)))
                if second != first:  # a page may be another one each time, such as one with fresh codes
                    with taken_back():
                        again = said(person.ask(method, mine, body_of(theirs)))
                    second = second if again == first else first
                found.requests += 1 + compares
                found.problems += [
                    f"{method} {mine}: {words}"
                    for words in _problems(
                        answer, first, second, is_written, [*secrets, *(known - {mine})], mine
                    )
                ]
    return found


def _problems(
    answer: Any, first: Said, second: Said, is_written: bool, secrets: list[str], path: str
) -> Iterator[str]:
    if first[0] >= 500:
        yield f"status {first[0]}"
    if is_written:
        yield "wrote"
    text = content_of(answer).decode(errors="replace")
    # A form that is shown again holds what was sent.
    if told := [
        word for word in secrets if word in text and word not in path and f'value="{word}"' not in text
    ]:
        yield f"told {told}"
    if first != second:
        yield f"a foreign id is answered otherwise: {_difference(first, second)}"


def _difference(first: Said, second: Said) -> str:
    if first[0] != second[0]:
        return f"{first[0]}, not {second[0]}"
    if first[1] != second[1]:
        return f"headers {set(first[1].items()) ^ set(second[1].items())}"
    return "words"
