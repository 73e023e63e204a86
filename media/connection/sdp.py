"""Checks and trims session descriptions (RFC 8866, RFC 9429) before aiortc's parser sees them.

That parser trusts its input and takes quadratic time. Whatever is no audio offer of reasonable size ends
here, with words for people.
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
_OPUS = re.compile(r"a=rtpmap:\d{1,3} opus/48000(/2)?", re.IGNORECASE)
_NEEDED: Final = {"a=mid:": "media id", "a=rtcp-mux": "RTCP multiplexing"}
_NEEDED_ANYWHERE: Final = {
    "a=ice-ufrag:": "ICE user name",
    "a=ice-pwd:": "ICE password",
    "a=fingerprint:": "certificate fingerprint",
    "a=setup:": "DTLS role",
}
# What the media worker wants to hear: one voice, with in-band FEC (RFC 7587 section 6.1).
_OPUS_PARAMETERS: Final = "minptime=10;useinbandfec=1;stereo=0"


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


def read_offer(text: str) -> AudioOffer:
    """Keep the first audio section only. Raises BadSdpError."""
    session, sections = _split(text)
    index = next((i for i, section in enumerate(sections) if section.kind == "audio"), None)
    if index is None:
        raise BadSdpError("The connection offers no audio.")
    audio = sections[index]
    _check_audio(session, audio)
    bundle = _bundle(session)
    mids = frozenset(bundle if audio.mid in bundle else [audio.mid])
    # With one bundle the browser gives its candidates with the first section, whichever that is.
    shared = [line for section in sections if section.mid in mids for line in section.lines]
    candidates = [line[len("a=candidate:") :] for line in shared if line.startswith("a=candidate:")]
    if len(candidates) > MAX_CANDIDATES:
        raise BadSdpError(f"A connection may offer at most {MAX_CANDIDATES} network addresses.")
    return AudioOffer(
        sdp=_join(_session_for(session, audio.mid), _without_candidates(audio.lines)),
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


def _check_audio(session: list[str], audio: _Section) -> None:
    for prefix, name in _NEEDED.items():
        if not any(line.startswith(prefix) for line in audio.lines):
            raise BadSdpError(f"The offered audio has no {name}.")
    for prefix, name in _NEEDED_ANYWHERE.items():
        if not any(line.startswith(prefix) for line in [*session, *audio.lines]):
            raise BadSdpError(f"The offered audio has no {name}.")
    if not any(_OPUS.fullmatch(line) for line in audio.lines):
        raise BadSdpError("The offered audio has no Opus, the only codec of this hub.")
    if len(audio.formats.split()) > MAX_PAYLOAD_TYPES:
        raise BadSdpError("The offered audio has too many codecs.")
    if sum(line.startswith("a=ssrc") for line in audio.lines) > MAX_SSRC_LINES:
        raise BadSdpError("The offered audio has too many sources.")


def _bundle(session: list[str]) -> list[str]:
    return next((line.split()[1:] for line in session if line.startswith("a=group:BUNDLE ")), [])


def _session_for(session: list[str], mid: str) -> list[str]:
    kept = [line for line in session if not line.startswith(("a=group:", "a=msid-semantic"))]
    return [*kept, f"a=group:BUNDLE {mid}"]


def _without_candidates(lines: list[str]) -> list[str]:
    """The answer does not wait for the candidates: a name of mDNS among them may take a second to resolve."""
    return [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]


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
