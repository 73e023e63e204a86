"""The device's sending half, and the private names of aiortc 1.16 on which it leans."""

import inspect

import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcrtpsender import RTCRtpSender
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket

from agent import uplink
from agent.audio import SILENCE, to_frame
from agent.uplink import VoiceEncoder
from protocol.audio import FRAME_SAMPLES
from sound.opus import OpusDecoder, Samples, packet_samples
from tests.house.sounds import voice

pytestmark = pytest.mark.unit


def encoded(encoder: VoiceEncoder, frames: Samples) -> list[tuple[list[bytes], int]]:
    return [
        encoder.encode(to_frame(frame, pts=number * FRAME_SAMPLES))
        for number, frame in enumerate(frames.reshape(-1, FRAME_SAMPLES))
    ]


def kilobits(packets: list[tuple[list[bytes], int]]) -> float:
    return sum(len(payload) for payloads, _ in packets for payload in payloads) * 8 / (len(packets) * 20)


def test_the_names_we_lean_on_are_still_there() -> None:
    source = inspect.getsource(RTCRtpSender)
    assert "if self.__encoder is None:" in source
    assert "None, self.__encoder.encode, data, force_keyframe" in source
    assert list(inspect.signature(RTCRtpSender._handle_rtcp_packet).parameters) == ["self", "packet"]


def test_it_sends_mono_packets_of_20_ms_at_the_times_of_the_microphone() -> None:
    packets = encoded(VoiceEncoder(), voice(1.0))
    assert [timestamp for _, timestamp in packets] == [n * FRAME_SAMPLES for n in range(len(packets))]
    payloads = [payload for payloads, _ in packets for payload in payloads]
    assert len(payloads) >= 45, "all but the pauses between syllables"
    assert {packet_samples(payload) for payload in payloads} == {FRAME_SAMPLES}
    assert not any(payload[0] & 0x04 for payload in payloads), "the stereo bit, RFC 6716 section 3.1"


def test_a_quiet_room_costs_a_packet_in_400_ms() -> None:
    encoder = VoiceEncoder()
    encoded(encoder, voice(0.5))
    packets = encoded(encoder, np.tile(SILENCE, 200))
    assert sum(len(payloads) for payloads, _ in packets) <= 4 / 0.4 + 12


def test_it_follows_what_the_hub_reports() -> None:
    encoder = VoiceEncoder()
    usual = kilobits(encoded(encoder, voice(3.0)))
    for _ in range(20):
        encoder.report(0.5)
    assert kilobits(encoded(encoder, voice(3.0))) < usual / 1.5


def test_once_packets_are_lost_each_carries_a_copy_of_the_one_before() -> None:
    encoder, sound = VoiceEncoder(), voice(3.0)
    for _ in range(3):
        encoder.report(0.1)
    payloads = [payload for payloads, _ in encoded(encoder, sound) for payload in payloads]
    decoder, recovered, concealed = OpusDecoder(), OpusDecoder(), OpusDecoder()
    wrong = {"recovered": 0.0, "concealed": 0.0}
    for number, payload in enumerate(payloads):
        right = decoder.decode(payload).astype(float)
        if number % 10 == 5:
            made_up = {
                "recovered": recovered.recover(payloads[number + 1], FRAME_SAMPLES),
                "concealed": concealed.conceal(FRAME_SAMPLES),
            }
            for name, samples in made_up.items():
                wrong[name] += float(np.sum((samples - right) ** 2))
        else:
            recovered.decode(payload)
            concealed.decode(payload)
    assert wrong["recovered"] < wrong["concealed"] / 2


async def test_it_hears_what_the_hub_reports_of_its_own_stream_only(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    sender, told = connection.addTransceiver("audio").sender, list[float]()
    monkeypatch.setattr(VoiceEncoder, "report", lambda _, fraction_lost: told.append(fraction_lost))
    uplink.take_over(sender)
    reports = [
        RtcpReceiverInfo(
            ssrc=ssrc, fraction_lost=64, packets_lost=1, highest_sequence=1, jitter=0, lsr=0, dlsr=0
        )
        for ssrc in (sender._ssrc, sender._ssrc ^ 1)
    ]
    await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1, reports=reports))
    await connection.close()
    assert told == [0.25]
