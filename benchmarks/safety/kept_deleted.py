"""What is left of deleted recordings for whoever copied the files before, and has all keys that remain."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from calls.models import Call, ListeningCopy, Recording
    from households.models import Household, Membership

    Row = Recording | ListeningCopy


def deletions(calls: "Sequence[Call]", owner: "Membership", url: str) -> tuple[list[str], int]:
    """Deletes a third as calls, a third as recordings, the rest with the key of their home. What can be read still,
    and how many files there were. Raises RuntimeError where something could not be read before."""
    from calls.recording.sounds import sound_path
    from households.models import HouseholdKey

    rows = {row.name: row for call in calls for row in _rows(call)}
    files = {name: sound_path(name).read_bytes() for name in rows}
    unread = [name for name in rows if not _opens(files[name], _keys(owner.household))]
    if unread:
        raise RuntimeError(f"could not be read before: {unread}")
    third = len(calls) // 3
    as_calls, as_rows, with_key = calls[:third], calls[third : 2 * third], calls[2 * third :]
    links = {name: f"/calls/{row.call.public_id}/audio/" for name, row in rows.items()}
    part = {name: row.call_id for name, row in rows.items()}
    for call in as_calls:
        call.delete()
    for call in as_rows:
        for row in _rows(call):
            row.delete()
    kept = {call.pk for call in with_key}
    readable = _still(
        owner, url, {name: file for name, file in files.items() if part[name] not in kept}, links
    )
    HouseholdKey.objects.filter(household=owner.household).delete()
    readable += _still(owner, url, files, links)
    return sorted(set(readable)), len(files)


def _rows(call: "Call") -> "list[Row]":
    from calls.models import ListeningCopy, Recording

    models = (Recording, ListeningCopy)
    return [
        row
        for model in models
        for row in model.objects.select_related("household", "call").filter(call=call.pk)
    ]


def _still(owner: "Membership", url: str, files: dict[str, bytes], links: dict[str, str]) -> list[str]:
    keys = _keys(owner.household)
    read = [name for name, data in files.items() if _opens(data, keys)]
    served = [links[name] for name in files if _is_served(owner, url + links[name])]
    return read + served


def _keys(household: "Household") -> list[bytes]:
    """Every key that the rows and the hub's secret still give, whatever it is meant for."""
    from calls.models import ListeningCopy, Recording
    from common.errors import Unavailable
    from households.keys import _household_key, _hub_key, key_unwrap

    keys = [bytes(32), _hub_key(), _household_key(household)]
    for model in (Recording, ListeningCopy):
        for row in model.objects.filter(household=household):
            try:
                keys.append(key_unwrap(household=household, wrapped=bytes(row.key), purpose=row.name))
            except Unavailable:
                continue
    return keys


def _opens(data: bytes, keys: Sequence[bytes]) -> bool:
    """Whether one of them gives any of the sound."""
    from sealing.files import SealedReader, SealError

    for key in keys:
        try:
            with SealedReader(io.BytesIO(data), key) as reader:
                if reader.read(64):
                    return True
        except SealError:
            continue
    return False


def _is_served(owner: "Membership", url: str) -> bool:
    from django.conf import settings
    from django.test import Client

    browser = Client()
    browser.force_login(owner.user, backend=settings.AUTHENTICATION_BACKENDS[0])
    cookies = {settings.SESSION_COOKIE_NAME: browser.cookies[settings.SESSION_COOKIE_NAME].value}
    return httpx.get(url, cookies=cookies, timeout=60.0, trust_env=False).status_code in (200, 206)
