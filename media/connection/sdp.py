"""Reads offers and writes answers (RFC 8866, RFC 9429) in the place of aiortc's parser.

That parser trusts its input and takes quadratic time. Whatever is no audio offer of reasonable size ends
here, with words for people; of the rest only what stands in the forms that are named here is read at all.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aioice import Candidate
from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from protocol.base import MAX_SDP_CHARS

MAX_LINES: Final = 400
MAX_LINE_CHARS: Final = 1024
MAX_CANDIDATES: Final = 32
MAX_MEDIA: Final = 3
MAX_SSRC_LINES: Final = 16
MAX_PAYLOAD_TYPES: Final = 32


@dataclass(frozen=True)
class _Form:
    """A kind of lines that are read: NAME:PATTERN."""

    name: str
    pattern: re.Pattern[str]


def _form(name: str, values: str, flags: re.RegexFlag = re.NOFLAG) -> _Form:
    return _Form(name, re.compile(f"{name}:{values}", re.ASCII | flags))


_MEDIA_LINE = re.compile(
    r"m=(?P<kind>[a-z]{1,16}) (?P<port>\d{1,5}) (?P<profile>[A-Z/]{1,32}) (?P<formats>[!-~ ]+)"
)
_LINE = re.compile(r"[a-z]=[^\x00-\x1f\x7f]*")
_OPUS = _form("a=rtpmap", r"(\d{1,3}) opus/48000(?:/2)?", re.IGNORECASE)
_PROFILES: Final = ("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP")
# What may stand in the session or in the section (RFC 8839, RFC 8122, RFC 8842).
_FINGERPRINT = _form("a=fingerprint", "sha-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})", re.IGNORECASE)
_UFRAG = _form("a=ice-ufrag", "([A-Za-z0-9+/]{4,256})")
_PASSWORD = _form("a=ice-pwd", "([A-Za-z0-9+/]{22,256})")
_SETUP = _form("a=setup", "(actpass|active|passive)")
_MID = _form("a=mid", "([A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32})")
_DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")
_SSRC = _form("a=ssrc", r"(\d{1,10}) cname:[!-~]{1,64}")
_EXTENSION = _form(
    "a=extmap",
    r"(\d{1,2})(?:/(?:sendrecv|sendonly|recvonly|inactive))? "
    r"(urn:ietf:params:rtp-hdrext:(?:sdes:mid|ssrc-audio-level))",
)
# Those that RTP and RTCP on one port leave to agree upon (RFC 5761 section 4, RFC 3551 section 3).
_PAYLOAD_TYPES: Final = frozenset((*range(35, 64), *range(96, 128)))
_TURNED: Final = {"sendonly": "recvonly", "recvonly": "sendonly"}
# What the media worker wants to hear: one voice, with in-band FEC, nothing in pauses (RFC 7587 section 6.1).
_OPUS_PARAMETERS: Final = "minptime=10;useinbandfec=1;usedtx=1;stereo=0;maxaveragebitrate=40000"


class BadSdpError(Exception):
    """The description cannot be used; the text says why, for people, and quotes nothing of it."""


_Named = dict[str, list[str]]  # lines by what stands before the colon


@dataclass
class _Section:
    named: _Named
    kind: str
    profile: str
    formats: str

    @property
    def mid(self) -> str:
        return next((line[6:] for line in self.named.get("a=mid", [])), "")


@dataclass(frozen=True, kw_only=True)
class AudioOffer:
    """The first audio section of an offer, and what is needed to answer the whole."""

    profile: str
    payload_type: int  # of Opus, the preferred one
    ufrag: str
    password: str
    fingerprint: str  # SHA-256
    setup: str  # RFC 4145 section 4
    direction: str  # of the offer
    is_lite: bool  # RFC 8445 section 2.5
    ssrc: int | None
    extensions: tuple[tuple[int, str], ...]  # of RTP's header: number and URI
    candidates: list[str]
    candidates_complete: bool
    audio_index: int
    mid: str
    mids: frozenset[str]  # that share the audio's transport
    rejected: dict[int, str] = field(default_factory=dict)  # place in the offer -> the refused section

    @property
    def is_heard(self) -> bool:
        """Whether its sender wants to speak."""
        return self.direction in ("sendrecv", "sendonly")

    @property
    def is_listening(self) -> bool:
        return self.direction in ("sendrecv", "recvonly")


@dataclass(frozen=True, kw_only=True)
class AudioAnswer:
    """This end of the connection."""

    ufrag: str
    password: str
    fingerprint: str  # SHA-256
    is_dtls_client: bool
    ssrc: int
    cname: str
    candidates: Sequence[Candidate]


def read_offer(text: str, *, wants_client: bool = False) -> AudioOffer:
    """Keep the first audio section only. Raises BadSdpError.

    `wants_client`: where the other side may choose, it shall begin the DTLS handshake (RFC 8842 section 5.2).
    """
    session, sections = _split(text)
    index = next((i for i, section in enumerate(sections) if section.kind == "audio"), None)
    if index is None:
        raise BadSdpError("The connection offers no audio.")
    audio = sections[index]
    bundle = _bundle(session)
    payload_type, mid = _payload_type(audio), _checked(audio)
    mids = frozenset(bundle if mid in bundle else [mid])
    # With one bundle the browser gives its candidates with the first section, whichever that is.
    shared = [section.named for section in sections if section.mid in mids]
    candidates = [line[len("a=candidate:") :] for named in shared for line in named.get("a=candidate", [])]
    ufrag, password, setup, fingerprint = _transport(session, audio)
    if len(candidates) > MAX_CANDIDATES:
        raise BadSdpError(f"A connection may offer at most {MAX_CANDIDATES} network addresses.")
    return AudioOffer(
        profile=audio.profile,
        payload_type=payload_type,
        ufrag=ufrag,
        password=password,
        fingerprint=fingerprint,
        setup="active" if wants_client and setup == "actpass" else setup,
        direction=next((name for name in _DIRECTIONS if f"a={name}" in audio.named), "sendrecv"),
        is_lite="a=ice-lite" in session,
        ssrc=next((int(match[1]) for match in _matches(_SSRC, audio.named)), None),
        extensions=tuple((int(match[1]), match[2]) for match in _matches(_EXTENSION, audio.named)),
        candidates=candidates,
        candidates_complete=any("a=end-of-candidates" in named for named in shared),
        audio_index=index,
        mid=mid,
        mids=mids,
        rejected={i: _refused(section) for i, section in enumerate(sections) if i != index},
    )


def write_answer(offer: AudioOffer, answer: AudioAnswer) -> str:
    """The answer to the whole offer: refused sections in their places, Opus mono with FEC in the audio."""
    session = [
        "v=0",
        f"o=- {secrets.randbits(62)} 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        f"a=group:BUNDLE {offer.mid}",
        "a=msid-semantic:WMS *",
    ]
    audio = _join(_described(offer, answer))
    blocks = [offer.rejected.get(i, audio) for i in range(len(offer.rejected) + 1)]
    return _join(session) + "".join(blocks)


def _described(offer: AudioOffer, answer: AudioAnswer) -> list[str]:
    first = next(iter(answer.candidates), None)
    host, port = (first.host, first.port) if first is not None else ("0.0.0.0", 9)  # noqa: S104 - RFC 9429
    payload_type = offer.payload_type
    return [
        f"m=audio {port} {offer.profile} {payload_type}",
        f"c=IN {'IP6' if ':' in host else 'IP4'} {host}",
        f"a={_TURNED.get(offer.direction, offer.direction)}",
        *(f"a=extmap:{number} {uri}" for number, uri in offer.extensions),
        f"a=mid:{offer.mid}",
        f"a=msid:{answer.cname} {answer.cname}",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=rtcp-mux",
        f"a=ssrc:{answer.ssrc} cname:{answer.cname}",
        f"a=rtpmap:{payload_type} opus/48000/2",
        f"a=fmtp:{payload_type} {_OPUS_PARAMETERS}",
        *(f"a=candidate:{candidate.to_sdp()}" for candidate in answer.candidates),
        "a=end-of-candidates",
        f"a=ice-ufrag:{answer.ufrag}",
        f"a=ice-pwd:{answer.password}",
        f"a=fingerprint:sha-256 {answer.fingerprint}",
        f"a=setup:{'active' if answer.is_dtls_client else 'passive'}",
    ]


def read_candidate(text: str) -> RTCIceCandidate:
    """One trickled candidate (RFC 8839 section 5.1), with or without `a=` in front. Raises BadSdpError."""
    text = text.removeprefix("a=").removeprefix("candidate:")
    if len(text) > MAX_LINE_CHARS or not text.isprintable():
        raise BadSdpError("This is no network address of a connection.")
    try:
        return candidate_from_sdp(text)
    except (ValueError, AssertionError, IndexError):
        raise BadSdpError("This is no network address of a connection.") from None


def _split(text: str) -> tuple[_Named, list[_Section]]:
    if len(text) > MAX_SDP_CHARS:
        raise BadSdpError(f"A session description may have at most {MAX_SDP_CHARS} characters.")
    session, groups = _lines_of(text)
    if not session or session[0] != "v=0":
        raise BadSdpError("This is not a session description.")
    count = len(session) + sum(len(lines) for lines in groups)
    if count > MAX_LINES:
        raise BadSdpError(f"A session description may have at most {MAX_LINES} lines.")
    if len(groups) > MAX_MEDIA:
        raise BadSdpError(f"A session description may have at most {MAX_MEDIA} media sections.")
    for line in [*session, *(line for lines in groups for line in lines)]:
        if len(line) > MAX_LINE_CHARS or not _LINE.fullmatch(line):
            raise BadSdpError("This is not a session description.")
    return _named(session), [_section(lines) for lines in groups]


def _named(lines: list[str]) -> _Named:
    named: _Named = {}
    for line in lines:
        named.setdefault(line.partition(":")[0], []).append(line)
    return named


def _lines_of(text: str) -> tuple[list[str], list[list[str]]]:
    session: list[str] = []
    groups: list[list[str]] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith("m="):
            groups.append([line])
        elif line:
            (groups[-1] if groups else session).append(line)
    return session, groups


def _section(lines: list[str]) -> _Section:
    match = _MEDIA_LINE.fullmatch(lines[0])
    if match is None:
        raise BadSdpError("A media section of the session description is malformed.")
    return _Section(_named(lines), match["kind"], match["profile"], match["formats"])


def _checked(audio: _Section) -> str:
    """The media id of a section that has all that it needs. Raises BadSdpError."""
    if len(audio.named.get("a=ssrc", [])) > MAX_SSRC_LINES:
        raise BadSdpError("The offered audio has too many sources.")
    mid = _only(_MID, audio.named, "media id")
    if "a=rtcp-mux" not in audio.named:
        raise BadSdpError("The offered audio has no RTCP multiplexing.")
    return mid


def _payload_type(audio: _Section) -> int:
    """The first of Opus."""
    if audio.profile not in _PROFILES:
        raise BadSdpError("The offered audio is not encrypted as WebRTC encrypts it.")
    numbers = audio.formats.split()
    if len(numbers) > MAX_PAYLOAD_TYPES:
        raise BadSdpError("The offered audio has too many codecs.")
    opus = {match[1] for match in _matches(_OPUS, audio.named)}
    found = next((int(number) for number in numbers if number in opus), None)
    if found is None or found not in _PAYLOAD_TYPES:
        raise BadSdpError("The offered audio has no Opus, the only codec of this hub.")
    return found


def _transport(session: _Named, audio: _Section) -> list[str]:
    """ICE user name and password, DTLS role, and the one SHA-256 fingerprint, of the section or the session."""
    wanted = (
        (_UFRAG, "ICE user name"),
        (_PASSWORD, "ICE password"),
        (_SETUP, "DTLS role"),
        (_FINGERPRINT, "certificate fingerprint (SHA-256)"),
    )
    return [
        _only(form, audio.named if _matches(form, audio.named) else session, name) for form, name in wanted
    ]


def _matches(form: _Form, lines: _Named) -> list[re.Match[str]]:
    return [match for line in lines.get(form.name, ()) if (match := form.pattern.fullmatch(line))]


def _only(form: _Form, lines: _Named, name: str) -> str:
    """The one value of this form; the same may stand there twice."""
    found = {match[1] for match in _matches(form, lines)}
    if not found:
        raise BadSdpError(f"The offered audio has no {name}.")
    if len(found) > 1:
        raise BadSdpError(f"The offered audio has more than one {name}.")
    return found.pop()


def _bundle(session: _Named) -> list[str]:
    groups = (line.split() for line in session.get("a=group", ()))
    return next((mids for name, *mids in groups if name == "a=group:BUNDLE"), [])


def _refused(section: _Section) -> str:
    """A refused section, RFC 9429 section 5.3.1: port 0, and out of the bundle."""
    lines = [f"m={section.kind} 0 {section.profile} {section.formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
    return _join(lines, [f"a=mid:{section.mid}"] if section.mid else [])


def _join(*groups: list[str]) -> str:
    return "".join(f"{line}\r\n" for lines in groups for line in lines)
