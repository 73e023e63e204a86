"""What WHIP (RFC 9725) carries over HTTP: offers, fragments with candidates, links to STUN and TURN servers.

Only as much of a session description is read here as decides between the answers of HTTP; the media worker checks
it whole before it uses any of it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from protocol.base import MAX_SDP_CHARS
from protocol.messages.connection import IceServer

SDP_TYPE: Final = "application/sdp"
FRAGMENT_TYPE: Final = "application/trickle-ice-sdpfrag"
PROBLEM_TYPE: Final = "application/problem+json"
MAX_BODY_BYTES: Final = MAX_SDP_CHARS
MAX_CANDIDATES: Final = 32

_UFRAG = re.compile(r"^a=ice-ufrag:([A-Za-z0-9+/]{4,256})$", re.MULTILINE)
_OPUS = re.compile(r"^a=rtpmap:\d{1,3} opus/48000", re.MULTILINE | re.IGNORECASE)
_DIRECTION = re.compile(r"^a=(sendrecv|sendonly|recvonly|inactive)$", re.MULTILINE)


class WhipRefused(Exception):
    """`status` is of HTTP; the text is for people and quotes nothing of what came."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass(frozen=True)
class WhipOffer:
    sdp: str
    ice_ufrag: str


@dataclass(frozen=True)
class Fragment:
    """RFC 8840 section 9. `ice_ufrag` None: it names none. Candidates in the form of RFC 8839, each with its mid."""

    ice_ufrag: str | None
    candidates: tuple[tuple[str, str | None], ...]
    is_end: bool


def offer_read(body: bytes) -> WhipOffer:
    """An offer of one microphone, and of nothing else. Raises WhipRefused."""
    text = _text(body)
    kinds = re.findall(r"^m=([a-z]+) ", text, re.MULTILINE)
    ufrag = _UFRAG.search(text)
    if not text.startswith("v=0\n") or not kinds or ufrag is None:
        raise WhipRefused(HTTPStatus.BAD_REQUEST, "This is not the offer of a connection (SDP).")
    # Section 4.4.3: no offer is taken in part, so that nobody believes that a camera is seen.
    if "audio" not in kinds or len(kinds) > 1:
        raise WhipRefused(
            HTTPStatus.NOT_ACCEPTABLE,
            "This hub takes one microphone and nothing else. Turn off video and data in the device.",
        )
    if _OPUS.search(text) is None:
        raise WhipRefused(
            HTTPStatus.NOT_ACCEPTABLE, "This hub understands Opus only. Choose it in the device."
        )
    if {"recvonly", "inactive"} & set(_DIRECTION.findall(text)):
        raise WhipRefused(HTTPStatus.NOT_ACCEPTABLE, "The device has to offer its microphone.")
    return WhipOffer(sdp=text, ice_ufrag=ufrag[1])


def fragment_read(body: bytes) -> Fragment:
    """Raises WhipRefused."""
    mid, candidates, is_end = None, [], False
    text = _text(body)
    for line in text.splitlines():
        if line and not re.match(r"[a-z]=", line):
            raise WhipRefused(HTTPStatus.BAD_REQUEST, "This is not a fragment of a session description.")
        if line.startswith("a=mid:"):
            mid = line.removeprefix("a=mid:")
        elif line.startswith("a=candidate:"):
            candidates.append((line.removeprefix("a="), mid))
        is_end = is_end or line == "a=end-of-candidates"
    if len(candidates) > MAX_CANDIDATES:
        raise WhipRefused(
            HTTPStatus.BAD_REQUEST, f"A connection may offer at most {MAX_CANDIDATES} network addresses."
        )
    ufrag = _UFRAG.search(text)
    if ufrag is None and not candidates and not is_end:
        raise WhipRefused(HTTPStatus.BAD_REQUEST, "There are no network addresses in this fragment.")
    return Fragment(ufrag[1] if ufrag else None, tuple(candidates), is_end)


def link_header(servers: Iterable[IceServer]) -> str:
    """RFC 9725 section 4.6: one link for each address of a server."""
    links = []
    for server in servers:
        login = ""
        if server.username is not None and server.credential is not None:
            login = f'; username="{server.username}"; credential="{server.credential}"; credential-type="password"'
        links += [f'<{url}>; rel="ice-server"{login}' for url in server.urls]
    return ", ".join(links)


def _text(body: bytes) -> str:
    """With lines that end in \\n."""
    if len(body) > MAX_BODY_BYTES:
        raise WhipRefused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A description may have at most {MAX_BODY_BYTES} bytes."
        )
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise WhipRefused(HTTPStatus.BAD_REQUEST, "The body is empty, or is no text.")
    return text.replace("\r\n", "\n")
