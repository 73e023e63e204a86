import io
import struct
import zlib

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.recording.ogg import PRE_SKIP_SAMPLES, OggOpusWriter, ogg_crc
from protocol.audio import FRAME_SAMPLES, OPUS_SILENCE
from sound.opus import packet_samples

pytestmark = pytest.mark.unit


def slow_crc(data: bytes) -> int:
    """RFC 3533 read literally."""
    crc = 0
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ 0x04C11DB7 if crc & 0x8000_0000 else crc << 1) & 0xFFFF_FFFF
    return crc


def pages(data: bytes) -> list[tuple[int, int, int, list[int], bytes]]:
    """(flags, granule position, number, segment table, body) of every page; checks each checksum."""
    found = []
    while data:
        assert data[:5] == b"OggS\x00"
        flags, granule, _serial, number, crc, count = struct.unpack("<BQIIIB", data[5:27])
        table = list(data[27 : 27 + count])
        size = 27 + count + sum(table)
        assert crc == slow_crc(data[:22] + bytes(4) + data[26:size])
        found.append((flags, granule, number, table, data[27 + count : size]))
        data = data[size:]
    return found


def packets_in(data: bytes) -> list[bytes]:
    found = []
    for *_, table, body in pages(data):
        begin = end = 0
        for length in table:
            end += length
            if length < 255:
                found.append(body[begin:end])
                begin = end
        assert begin == len(body), "no packet of ours goes over two pages"
    return found


@given(st.binary(max_size=500))
def test_the_checksum_is_that_of_the_rfc(data: bytes) -> None:
    assert ogg_crc(data) == slow_crc(data)


def test_the_checksum_is_not_the_usual_one() -> None:
    assert ogg_crc(b"OggS") != zlib.crc32(b"OggS")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.binary(min_size=1, max_size=1500), st.booleans()), max_size=120))
def test_what_goes_in_comes_out(entries: list[tuple[bytes, bool]]) -> None:
    out = io.BytesIO()
    writer = OggOpusWriter(out.write, serial=7)
    for payload, flush in entries:
        writer.packet(payload, FRAME_SAMPLES)
        if flush:
            writer.flush()
    writer.close()
    found = pages(out.getvalue())
    assert packets_in(out.getvalue())[2:] == [payload for payload, _ in entries]
    assert [number for _, _, number, _, _ in found] == list(range(len(found)))
    assert found[0][0] == 2
    assert found[-1][0] == 4
    assert found[-1][1] == len(entries) * FRAME_SAMPLES
    granules = [granule for _, granule, *_ in found]
    assert granules == sorted(granules)


def test_the_headers_say_one_channel_at_48_khz() -> None:
    out = io.BytesIO()
    OggOpusWriter(out.write, serial=1)
    head, tags = packets_in(out.getvalue())
    assert head == b"OpusHead" + struct.pack("<BBHIhB", 1, 1, PRE_SKIP_SAMPLES, 48_000, 0, 0)
    assert tags.startswith(b"OpusTags")


def test_ffmpeg_reads_it_and_takes_the_pre_skip_away() -> None:
    out = io.BytesIO()
    writer = OggOpusWriter(out.write, serial=0xFFFF_FFFF)
    for _ in range(100):
        writer.packet(OPUS_SILENCE, packet_samples(OPUS_SILENCE))
    writer.close()
    out.seek(0)
    with av.open(out, mode="r") as container:
        lengths = [frame.samples for frame in container.decode(audio=0)]
    assert sum(lengths) == 100 * FRAME_SAMPLES - PRE_SKIP_SAMPLES


def test_it_refuses_a_packet_that_no_page_holds() -> None:
    writer = OggOpusWriter(lambda page: None, serial=1)
    with pytest.raises(ValueError, match="larger"):
        writer.packet(bytes(255 * 255), FRAME_SAMPLES)
