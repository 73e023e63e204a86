"""Checks session descriptions (RFC 8866, RFC 9429) and writes them anew before aiortc's parser sees them.

That parser trusts its input and takes quadratic time. Whatever is no audio offer of reasonable size ends
here, with words for people; of the rest only the lines that are named here, in forms that are known, go on.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from protocol.base import MAX_SDP_CHARS

MAX_LINES: Final = 400
MAX_LINE_CHARS: Final = 1024
MAX_CANDIDATES: Final = 32
MAX_MEDIA: Final = 3
MAX_SSRC_LINES: Final = 16
MAX_PAYLOAD_TYPES: Final = 32

_MEDIA_LINE = re.compile(
    r"m=(?P<kind>[a-z]{1,16}) (?P<port>\d{1,5}) (?P<profile>[A-Z/]{1,32}) (?P<formats>[!-~ ]+)"
)
_LINE = re.compile(r"[a-z]=[^\x00-\x1f\x7f]*")
_OPUS = re.compile(r"a=rtpmap:(\d{1,3}) opus/48000(?:/2)?", re.IGNORECASE)
_PROFILES: Final = ("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP")
_FINGERPRINT = re.compile(r"a=fingerprint:sha-256 (?:[0-9A-F]{2}:){31}[0-9A-F]{2}", re.IGNORECASE)
# What may stand in the session or in the section (RFC 8839, RFC 8122, RFC 8842), by the words for who misses it.
_TRANSPORT: Final = {
    "ICE user name": re.compile(r"a=ice-ufrag:[A-Za-z0-9+/]{4,256}"),
    "ICE password": re.compile(r"a=ice-pwd:[A-Za-z0-9+/]{22,256}"),
    "DTLS role": re.compile(r"a=setup:(?:actpass|active|passive)"),
}
_MID = re.compile(r"a=mid:[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,32}")
_PARAMETERS = re.compile(r"a=fmtp:\d{1,3} (?:[a-z-]{1,32}=[a-z0-9]{1,16};? ?){1,16}", re.IGNORECASE)
_DIRECTION = re.compile(r"a=(?:sendrecv|sendonly|recvonly|inactive)")
_SSRC = re.compile(r"a=ssrc:\d{1,10} cname:[!-~]{1,64}")
_EXTENSION = re.compile(
    r"a=extmap:\d{1,2}(?:/(?:sendrecv|sendonly|recvonly|inactive))? "
    r"urn:ietf:params:rtp-hdrext:(?:sdes:mid|ssrc-audio-level)"
)
_SESSION: Final = ("v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "t=0 0")
# What the media worker wants to hear: one voice, with in-band FEC, nothing in pauses (RFC 7587 section 6.1).
_OPUS_PARAMETERS: Final = "minptime=10;useinbandfec=1;usedtx=1;stereo=0;maxaveragebitrate=40000"


class BadSdpError(Exception):
    """The description cannot be used; the text says why, for people, and quotes nothing of it."""


@dataclass
class _Section:
    lines: list[str]
    kind: str
    profile: str
    formats: str

    @property
    def mid(self) -> str:
        return next((line[6:] for line in self.lines if line.startswith("a=mid:")), "")


@dataclass(frozen=True)
class AudioOffer:
    """The part of an offer that aiortc gets, and what is needed to answer the whole."""

    sdp: str
    candidates: list[str]
    candidates_complete: bool
    audio_index: int
    mid: str
    mids: frozenset[str]  # that share the audio's transport
    rejected: dict[int, str] = field(default_factory=dict)  # place in the offer -> the refused section


def read_offer(text: str, *, wants_client: bool = False) -> AudioOffer:
    """Keep the first audio section only. Raises BadSdpError.

    `wants_client`: where the other side may choose, it shall begin the DTLS handshake (RFC 8842 section 5.2).
    """
    session, sections = _split(text)
    index = next((i for i, section in enumerate(sections) if section.kind == "audio"), None)
    if index is None:
        raise BadSdpError("The connection offers no audio.")
    audio = sections[index]
    lines = _rebuilt(session, audio)
    bundle = _bundle(session)
    mids = frozenset(bundle if audio.mid in bundle else [audio.mid])
    # With one bundle the browser gives its candidates with the first section, whichever that is.
    shared = [line for section in sections if section.mid in mids for line in section.lines]
    candidates = [line[len("a=candidate:") :] for line in shared if line.startswith("a=candidate:")]
    if len(candidates) > MAX_CANDIDATES:
        raise BadSdpError(f"A connection may offer at most {MAX_CANDIDATES} network addresses.")
    if wants_client:
        lines = ["a=setup:active" if line == "a=setup:actpass" else line for line in lines]
    return AudioOffer(
        sdp=_join(lines),
        candidates=candidates,
        candidates_complete="a=end-of-candidates" in shared,
        audio_index=index,
        mid=audio.mid,
        mids=mids,
        rejected={i: _refused(section) for i, section in enumerate(sections) if i != index},
    )


def write_answer(offer: AudioOffer, answer: str) -> str:
    """The answer to the whole offer: refused sections in their places, Opus mono with FEC in the audio."""
    session, sections = _lines_of(answer)
    audio = _with_opus_parameters(sections[0])
    blocks = [offer.rejected.get(i, _join(audio)) for i in range(len(offer.rejected) + 1)]
    return _join(session) + "".join(blocks)


def read_candidate(text: str) -> RTCIceCandidate:
    """One trickled candidate (RFC 8839 section 5.1), with or without `a=` in front. Raises BadSdpError."""
    text = text.removeprefix("a=").removeprefix("candidate:")
    if len(text) > MAX_LINE_CHARS or not text.isprintable():
        raise BadSdpError("This is no network address of a connection.")
    try:
        return candidate_from_sdp(text)
    except (ValueError, AssertionError, IndexError):
        raise BadSdpError("This is no network address of a connection.") from None


def _split(text: str) -> tuple[list[str], list[_Section]]:
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
    return session, [_section(lines) for lines in groups]


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
    return _Section(lines, match["kind"], match["profile"], match["formats"])


def _rebuilt(session: list[str], audio: _Section) -> list[str]:
    """The description that aiortc gets: every line of it is one of the forms above. Raises BadSdpError.

    Candidates are left out: the answer does not wait for them, since a name of mDNS among them may take a
    second to resolve.
    """
    payload_types = _payload_types(audio)
    if sum(line.startswith("a=ssrc") for line in audio.lines) > MAX_SSRC_LINES:
        raise BadSdpError("The offered audio has too many sources.")
    mid = _only(_MID, audio.lines, "media id")
    if "a=rtcp-mux" not in audio.lines:
        raise BadSdpError("The offered audio has no RTCP multiplexing.")
    known = (_DIRECTION, _OPUS, _PARAMETERS, _EXTENSION, _SSRC)
    kept = [line for line in audio.lines if any(form.fullmatch(line) for form in known)]
    return [
        *_SESSION,
        f"a=group:BUNDLE {mid.removeprefix('a=mid:')}",
        *(["a=ice-lite"] if "a=ice-lite" in session else []),
        f"m=audio 9 {audio.profile} {' '.join(payload_types)}",
        "c=IN IP4 0.0.0.0",
        mid,
        *_transport(session, audio),
        "a=rtcp-mux",
        *kept,
    ]


def _payload_types(audio: _Section) -> list[str]:
    """Those of Opus."""
    if audio.profile not in _PROFILES:
        raise BadSdpError("The offered audio is not encrypted as WebRTC encrypts it.")
    if len(audio.formats.split()) > MAX_PAYLOAD_TYPES:
        raise BadSdpError("The offered audio has too many codecs.")
    opus = {match[1] for line in audio.lines if (match := _OPUS.fullmatch(line))}
    found = list(dict.fromkeys(number for number in audio.formats.split() if number in opus))
    if not found:
        raise BadSdpError("The offered audio has no Opus, the only codec of this hub.")
    return found


def _transport(session: list[str], audio: _Section) -> list[str]:
    """ICE user name and password, DTLS role, and the one SHA-256 fingerprint, of the section or the session."""
    found = []
    for name, pattern in _TRANSPORT.items():
        in_section = [line for line in audio.lines if pattern.fullmatch(line)]
        found.append(_only(pattern, in_section or session, name))
    fingerprints = [line for line in audio.lines if _FINGERPRINT.fullmatch(line)]
    return [*found, _only(_FINGERPRINT, fingerprints or session, "certificate fingerprint (SHA-256)")]


def _only(pattern: re.Pattern[str], lines: list[str], name: str) -> str:
    """The one line of this form; the same line may stand there twice."""
    found = {line for line in lines if pattern.fullmatch(line)}
    if not found:
        raise BadSdpError(f"The offered audio has no {name}.")
    if len(found) > 1:
        raise BadSdpError(f"The offered audio has more than one {name}.")
    return found.pop()


def _bundle(session: list[str]) -> list[str]:
    return next((line.split()[1:] for line in session if line.startswith("a=group:BUNDLE ")), [])


def _refused(section: _Section) -> str:
    """A refused section, RFC 9429 section 5.3.1: port 0, and out of the bundle."""
    lines = [f"m={section.kind} 0 {section.profile} {section.formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
    return _join(lines, [f"a=mid:{section.mid}"] if section.mid else [])


def _with_opus_parameters(lines: list[str]) -> list[str]:
    out: list[str] = []
    for line in lines:
        if line.startswith("a=fmtp:"):
            continue
        out.append(line)
        if _OPUS.fullmatch(line):
            payload_type = line[len("a=rtpmap:") :].split()[0]
            out.append(f"a=fmtp:{payload_type} {_OPUS_PARAMETERS}")
    return out


def _join(*groups: list[str]) -> str:
    return "".join(f"{line}\r\n" for lines in groups for line in lines)
