"""Our STUN messages against those of aioice."""

import pytest
from aioice import stun as aioice
from hypothesis import given
from hypothesis import strategies as st

from turn import messages as stun
from turn.messages import Kind, Method, Name

pytestmark = pytest.mark.unit

ID = bytes(range(12))
PEERS = [("192.0.2.7", 4711), ("2001:db8::7", 65535)]


@pytest.mark.parametrize("peer", PEERS)
def test_aioice_reads_what_we_write(peer: tuple[str, int]) -> None:
    attributes = [stun.address_attribute(Name.XOR_PEER_ADDRESS, peer, ID), (Name.USERNAME, b"anna")]
    data = stun.write(Method.CREATE_PERMISSION, Kind.REQUEST, ID, attributes, key=b"key")
    message = aioice.parse_message(data)
    assert message.attributes["XOR-PEER-ADDRESS"] == peer
    assert message.attributes["USERNAME"] == "anna"
    assert message.check_message_integrity(b"key")
    assert not message.check_message_integrity(b"other")


@pytest.mark.parametrize("peer", PEERS)
def test_we_read_what_aioice_writes(peer: tuple[str, int]) -> None:
    message = aioice.Message(aioice.Method.ALLOCATE, aioice.Class.ERROR, ID)
    message.attributes["XOR-RELAYED-ADDRESS"] = peer
    message.attributes["ERROR-CODE"] = (486, "Allocation Quota Reached")
    message.attributes["LIFETIME"] = 600
    read = stun.read(bytes(message))
    assert (read.method, read.kind, read.transaction_id) == (Method.ALLOCATE, Kind.ERROR, ID)
    assert read.address(Name.XOR_RELAYED_ADDRESS) == peer
    assert (read.error_code, read.number(Name.LIFETIME)) == (486, 600)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_value_error(data: bytes) -> None:
    try:
        stun.read(data)
    except ValueError:
        return
    assert len(data) >= stun.HEADER_BYTES


@given(st.binary(max_size=80))
def test_any_attributes_are_read_or_a_value_error(body: bytes) -> None:
    head = bytes.fromhex("01010000") + stun.MAGIC.to_bytes(4, "big") + ID
    data = head[:2] + len(body).to_bytes(2, "big") + head[4:] + body
    try:
        message = stun.read(data)
        message.address(Name.XOR_MAPPED_ADDRESS)
    except ValueError:
        return
    assert sum(4 + len(value) for value in message.attributes.values()) <= len(body)
