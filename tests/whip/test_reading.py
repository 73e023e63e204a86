"""Offers, fragments and links, as text: nothing that comes over HTTP ends in anything but an answer or a refusal."""

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.connection import IceServer
from protocol.whip import MAX_BODY_BYTES, WhipRefused, fragment_read, link_header, offer_read
from tests.whip.offers import FRAGMENT, OFFER, VIDEO

pytestmark = pytest.mark.unit

LINES = sorted(
    {*OFFER.splitlines(), *FRAGMENT.splitlines(), *VIDEO.splitlines(), "a=recvonly", "m=", "a=mid:", "\x00"}
)
Read = TypeVar("Read")
NEVER = {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.OK}


def bodies() -> st.SearchStrategy[bytes]:
    """Bytes of any kind, and descriptions whose lines stand in any order."""
    shuffled = st.lists(st.sampled_from(LINES), max_size=60).map(lambda lines: "\r\n".join(lines).encode())
    return st.one_of(st.binary(max_size=200), shuffled, shuffled.map(lambda body: b"v=0\n" + body))


def attempt(read: Callable[[bytes], Read], body: bytes) -> Read | WhipRefused:
    try:
        return read(body)
    except WhipRefused as refused:
        return refused


@settings(max_examples=200, deadline=None)
@given(bodies())
def test_an_offer_is_read_or_refused(body: bytes) -> None:
    found = attempt(offer_read, body)
    if isinstance(found, WhipRefused):
        assert found.status not in NEVER
        assert found.words.endswith(".")
    else:
        assert f"a=ice-ufrag:{found.ice_ufrag}" in found.sdp


@settings(max_examples=200, deadline=None)
@given(bodies())
def test_a_fragment_is_read_or_refused(body: bytes) -> None:
    found = attempt(fragment_read, body)
    if isinstance(found, WhipRefused):
        assert found.status not in NEVER
    else:
        assert found.ice_ufrag or found.candidates or found.is_end
        assert all(text.startswith("candidate:") for text, _ in found.candidates)


def test_lines_may_end_either_way() -> None:
    assert offer_read(OFFER.encode()) == offer_read(OFFER.replace("\r\n", "\n").encode())
    assert fragment_read(FRAGMENT.encode()) == fragment_read(FRAGMENT.replace("\r\n", "\n").encode())


def test_what_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(WhipRefused) as refused:
        offer_read(b"\xff" * (MAX_BODY_BYTES + 1))
    assert refused.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def test_each_address_of_a_server_is_a_link_and_only_a_relay_has_a_password() -> None:
    servers = [
        IceServer(urls=["stun:a.example:3478"]),
        IceServer(
            urls=["turn:b.example:3478?transport=udp", "turns:b.example:5349"],
            username="1:x",
            credential="p=",
        ),
    ]
    login = '; username="1:x"; credential="p="; credential-type="password"'
    assert link_header(servers).split(", ") == [
        '<stun:a.example:3478>; rel="ice-server"',
        f'<turn:b.example:3478?transport=udp>; rel="ice-server"{login}',
        f'<turns:b.example:5349>; rel="ice-server"{login}',
    ]
    assert link_header([]) == ""
