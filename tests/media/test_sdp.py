import time

import pytest
from aioice import Candidate
from aiortc.rtcdtlstransport import RTCDtlsFingerprint
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from media.connection.sdp import (
    MAX_CANDIDATES,
    MAX_LINES,
    AudioAnswer,
    AudioOffer,
    BadSdpError,
    read_candidate,
    read_offer,
    write_answer,
)

pytestmark = pytest.mark.unit

SESSION = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", "a=msid-semantic: WMS *"]
TRANSPORT = [
    "c=IN IP4 0.0.0.0",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuvwx",
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
    "a=setup:actpass",
    "a=rtcp-mux",
    "a=sendrecv",
]
AUDIO = [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
    *TRANSPORT,
    "a=mid:0",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
]
VIDEO = ["m=video 9 UDP/TLS/RTP/SAVPF 96 97", *TRANSPORT, "a=mid:1", "a=rtpmap:96 VP8/90000"]
DATA = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", *TRANSPORT, "a=mid:2", "a=sctp-port:5000"]

OURS = AudioAnswer(
    ufrag="wxyz",
    password="p" * 32,
    fingerprint=":".join(["CD"] * 32),
    is_dtls_client=True,
    ssrc=7,
    cname="hub",
    candidates=[Candidate.from_sdp("1 1 udp 1 192.0.2.9 40000 typ host")],
)


def text(*groups: list[str]) -> str:
    return "".join(f"{line}\r\n" for lines in groups for line in lines)


def refusal(offer: str) -> str:
    with pytest.raises(BadSdpError) as caught:
        read_offer(offer)
    return str(caught.value)


def outcome(offer: str) -> tuple[AudioOffer | None, str]:
    try:
        return read_offer(offer), ""
    except BadSdpError as error:
        return None, str(error)


def test_an_audio_offer_is_taken() -> None:
    offer = read_offer(text(SESSION, AUDIO))
    assert (offer.audio_index, offer.mid, offer.mids) == (0, "0", frozenset({"0"}))
    assert (offer.payload_type, offer.ufrag, offer.setup) == (111, "abcd", "actpass")
    assert offer.is_heard
    assert offer.is_listening


def test_lines_may_end_without_a_carriage_return() -> None:
    assert read_offer(text(SESSION, AUDIO).replace("\r\n", "\n")).mid == "0"


@given(st.text(max_size=300))
def test_any_text_is_taken_or_refused_with_words(offer: str) -> None:
    taken, words = outcome(offer)
    assert (taken is None) == words.endswith(".")


@given(
    st.lists(
        st.sampled_from([*SESSION, *AUDIO, *VIDEO, *DATA, "m=audio", "a=rtpmap:111", "a=mid:", "v=1"]),
        max_size=40,
    )
)
def test_any_order_of_lines_is_taken_or_refused_with_words(lines: list[str]) -> None:
    taken, words = outcome(text(lines))
    assert (taken is None) == words.endswith(".")
    assert taken is None or taken.payload_type == 111


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        ("", "not a session description"),
        ("hello", "not a session description"),
        ("v=0\r\n\x00\r\n", "not a session description"),
        (text(SESSION, ["a=" + "x" * 2000], AUDIO), "not a session description"),
        (text(SESSION), "no audio"),
        (text(SESSION, VIDEO), "no audio"),
        (text(SESSION, ["m=audio x y z"]), "malformed"),
        (text(SESSION, AUDIO, AUDIO, AUDIO, AUDIO), "media sections"),
        (text(SESSION, [line for line in AUDIO if "opus" not in line]), "no Opus"),
        (text(SESSION, [line for line in AUDIO if "ice-pwd" not in line]), "ICE password"),
        (text(SESSION, [line for line in AUDIO if "fingerprint" not in line]), "fingerprint"),
        (text(SESSION, [line for line in AUDIO if "rtcp-mux" not in line]), "multiplexing"),
        (text(SESSION, [line for line in AUDIO if "mid" not in line]), "media id"),
        (text(SESSION, AUDIO, [f"a=ssrc:{n} cname:x" for n in range(17)]), "too many sources"),
        (text(SESSION, [AUDIO[0] + " 96" * 40, *AUDIO[1:]]), "too many codecs"),
        (text(SESSION, AUDIO, ["a=x"] * MAX_LINES), "lines"),
        (
            text(SESSION, AUDIO, ["a=candidate:1 1 udp 1 192.0.2.1 9 typ host"] * (MAX_CANDIDATES + 1)),
            "network addresses",
        ),
        ("v=0\r\n" * 1_000_000, "characters"),
    ],
)
def test_what_cannot_be_used_is_refused_with_words(offer: str, words: str) -> None:
    began = time.perf_counter()
    message = refusal(offer)
    assert words in message
    assert time.perf_counter() - began < 0.2
    assert "a=" not in message


def test_other_sections_are_cut_out_and_refused_in_their_places() -> None:
    offer = read_offer(text(SESSION, VIDEO, AUDIO, DATA))
    assert offer.audio_index == 1
    answer = write_answer(offer, OURS)
    media = [line for line in answer.splitlines() if line.startswith("m=")]
    assert media == [
        "m=video 0 UDP/TLS/RTP/SAVPF 96 97",
        "m=audio 40000 UDP/TLS/RTP/SAVPF 111",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
    ]
    assert "a=group:BUNDLE 0" in answer.splitlines()
    assert [line for line in answer.splitlines() if line.startswith("a=mid:")] == [
        "a=mid:1",
        "a=mid:0",
        "a=mid:2",
    ]


def test_the_answer_asks_for_one_voice_with_error_correction() -> None:
    answer = write_answer(read_offer(text(SESSION, AUDIO)), OURS)
    assert [line for line in answer.splitlines() if line.startswith("a=fmtp")] == [
        "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1;stereo=0;maxaveragebitrate=40000"
    ]


def test_the_answer_is_one_that_aiortc_reads_as_it_is_meant() -> None:
    extension = "a=extmap:3/sendrecv urn:ietf:params:rtp-hdrext:sdes:mid"
    answer = write_answer(read_offer(text(SESSION, AUDIO, [extension])), OURS)
    session = SessionDescription.parse(answer)
    (media,) = session.media
    assert [str(group) for group in session.group] == ["BUNDLE 0"]
    assert (media.kind, media.profile, media.fmt, media.direction) == (
        "audio", "UDP/TLS/RTP/SAVPF", [111], "sendrecv",
    )  # fmt: skip
    assert (media.host, media.port, media.rtcp_mux) == ("192.0.2.9", 40_000, True)
    assert media.ice is not None
    assert (media.ice.usernameFragment, media.ice.password) == ("wxyz", "p" * 32)
    assert media.dtls is not None
    assert (media.dtls.role, media.dtls.fingerprints) == (
        "client", [RTCDtlsFingerprint(algorithm="sha-256", value=OURS.fingerprint)],
    )  # fmt: skip
    assert [(source.ssrc, source.cname) for source in media.ssrc] == [(7, "hub")]
    assert [(codec.payloadType, str(codec)) for codec in media.rtp.codecs] == [(111, "opus/48000/2")]
    assert [(header.id, header.uri) for header in media.rtp.headerExtensions] == [
        (3, "urn:ietf:params:rtp-hdrext:sdes:mid")
    ]
    assert media.rtp.muxId == "0"
    assert [(candidate.ip, candidate.port) for candidate in media.ice_candidates] == [("192.0.2.9", 40_000)]
    assert media.ice_candidates_complete


@pytest.mark.parametrize(
    ("offered", "answered"),
    [
        ("sendrecv", "sendrecv"),
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
        ("", "sendrecv"),
    ],
)
def test_the_answer_turns_the_direction_round(offered: str, answered: str) -> None:
    audio = [line for line in AUDIO if line != "a=sendrecv"] + [f"a={offered}"] * bool(offered)
    offer = read_offer(text(SESSION, audio))
    assert f"a={answered}" in write_answer(offer, OURS).splitlines()
    assert offer.is_heard == (offered in ("sendrecv", "sendonly", ""))
    assert offer.is_listening == (offered in ("sendrecv", "recvonly", ""))


@pytest.mark.parametrize("payload_type", ["0", "72", "95", "128", "300"])
def test_numbers_that_rtcp_or_other_codecs_own_are_none_of_opus(payload_type: str) -> None:
    audio = [line.replace("111", payload_type) for line in AUDIO]
    assert "no Opus" in refusal(text(SESSION, audio))


def test_candidates_are_taken_out_to_be_added_after_the_answer() -> None:
    line = "a=candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host"
    offer = read_offer(text(SESSION, AUDIO, [line, "a=end-of-candidates"]))
    assert offer.candidates == ["1 1 udp 2122260223 192.0.2.1 54321 typ host"]
    assert offer.candidates_complete


def test_with_one_bundle_the_candidates_of_a_refused_section_count() -> None:
    session = [line.replace("BUNDLE 0", "BUNDLE 1 0") for line in SESSION]
    offer = read_offer(text(session, [*VIDEO, "a=candidate:1 1 udp 1 192.0.2.1 9 typ host"], AUDIO))
    assert isinstance(offer, AudioOffer)
    assert len(offer.candidates) == 1
    assert offer.mids == {"0", "1"}


@pytest.mark.parametrize("prefix", ["", "candidate:", "a=candidate:"])
def test_a_candidate_is_read_with_and_without_its_prefix(prefix: str) -> None:
    candidate = read_candidate(prefix + "1 1 udp 2122260223 192.0.2.1 54321 typ host")
    assert (candidate.ip, candidate.port, candidate.type) == ("192.0.2.1", 54321, "host")


@given(st.text(max_size=200))
def test_any_text_is_a_candidate_or_refused(candidate: str) -> None:
    try:
        read_candidate(candidate)
    except BadSdpError:
        return
    assert len(candidate.split()) >= 8


def test_only_known_lines_count() -> None:
    strange = [
        "a=ssrc-group:FID 1 2", "a=rtcp:9 IN IP4 169.254.169.254", "a=rtpmap:111 PCMU/8000", "a=rtpmap:0 PCMU/8000",
        "a=remote-candidates:1 10.0.0.1 9", "a=extmap:1 urn:x", "a=ssrc:1 msid:a b", "a=fmtp:111 x=(", "b=AS:1",
        "k=clear:x", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        "a=rtcp-fb:111 transport-cc", "c=IN IP4 169.254.169.254",
    ]  # fmt: skip
    session = [*SESSION, "a=group:LS 0", "a=msid-semantic: x", "c=IN IP4 169.254.169.254", "i=x"]
    assert read_offer(text(session, AUDIO, strange)) == read_offer(text(SESSION, AUDIO))


def test_the_transport_may_stand_in_the_session() -> None:
    own = [line for line in TRANSPORT if line.startswith(("a=ice", "a=fingerprint", "a=setup"))]
    audio = [line for line in AUDIO if line not in own]
    assert read_offer(text([*SESSION, *own], audio)) == read_offer(text(SESSION, AUDIO))


def test_of_several_fingerprints_only_the_one_of_sha_256_counts() -> None:
    others = [
        "a=fingerprint:sha-1 " + ":".join(["AB"] * 20),
        "a=fingerprint:sha-512 " + ":".join(["AB"] * 64),
    ]
    assert read_offer(text(SESSION, AUDIO, others)) == read_offer(text(SESSION, AUDIO))
    second = ["a=fingerprint:sha-256 " + ":".join(["CD"] * 32)]
    assert "more than one certificate fingerprint" in refusal(text(SESSION, AUDIO, second))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("a=ice-ufrag:abcd", "a=ice-ufrag:ab", "no ICE user name"),
        ("a=ice-ufrag:abcd", "a=ice-ufrag:abcd\r\na=ice-ufrag:efgh", "more than one ICE user name"),
        ("a=setup:actpass", "a=setup:holdconn", "no DTLS role"),
        ("a=mid:0", "a=mid:0 1", "no media id"),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP", "not encrypted"),
    ],
)
def test_odd_forms_are_refused_with_words(old: str, new: str, words: str) -> None:
    assert words in refusal(text(SESSION, AUDIO).replace(old, new))
