"""Whatever comes in: a clear error, no traceback, no dropped socket, until it is abuse."""

import json

import pytest
from asgiref.sync import sync_to_async
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from households.services import api_token_create
from protocol.base import MAX_MESSAGE_BYTES, MessageError
from protocol.errors import CloseCode
from protocol.messages.unions import UNIONS, members, parse_browser, parse_device
from signaling.limits import BAD_MESSAGES, TokenBucket
from tests.plugin_cast import Cast
from tests.signaling.sockets import browser

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

WRONG = [
    ("not json", "bad_message"),
    ("[1, 2]", "bad_message"),
    ("{}", "unknown_type"),
    ('{"type": "dance"}', "unknown_type"),
    ('{"type": 5}', "unknown_type"),
    ('{"type": ["hello"]}', "unknown_type"),
    ('{"type": "webrtc_answer", "sdp": "x"}', "unknown_type"),
    ('{"type": "call_invite", "device_id": "kitchen"}', "bad_message"),
    ('{"type": "ping", "extra": 1}', "bad_message"),
    ('{"type": "webrtc_offer", "sdp": ""}', "bad_message"),
    ("[" * 20_000, "bad_message"),
    ('{"type": "dance", "id": "\\ud800"}', "unknown_type"),
    ('{"type": "call_end", "call_id": "x", "reason": "\\u0000"}', "bad_message"),
]


@pytest.mark.parametrize(("text", "code"), WRONG)
async def test_a_wrong_message_gets_an_error_and_the_socket_stays(cast: Cast, text: str, code: str) -> None:
    socket = await browser(cast.anna)
    await socket.say_text(text)
    assert (await socket.hear("error"))["code"] == code
    await socket.say("ping", id="still there")
    assert (await socket.hear("pong"))["reply_to"] == "still there"
    await socket.close()


async def test_an_error_names_the_request_it_answers(cast: Cast) -> None:
    socket = await browser(cast.anna)
    await socket.say("call_invite", id="42")
    assert (await socket.hear("error"))["reply_to"] == "42"
    await socket.close()


async def test_an_oversize_message_and_bytes_are_refused(cast: Cast) -> None:
    socket = await browser(cast.anna)
    await socket.say_text('{"type": "ping", "id": "' + "x" * MAX_MESSAGE_BYTES + '"}')
    assert (await socket.hear("error"))["code"] == "too_large"
    await socket.say_bytes(b"\x00\x01")
    assert (await socket.hear("error"))["code"] == "bad_message"
    await socket.close()


async def test_repeated_abuse_closes_the_socket(cast: Cast) -> None:
    socket = await browser(cast.anna)
    for _ in range(BAD_MESSAGES):
        await socket.say("dance")
    assert await socket.closed() == CloseCode.POLICY


async def test_speaking_before_a_connection_says_what_to_do(cast: Cast) -> None:
    socket = await browser(cast.anna)
    for words in (
        {"type_": "speak", "text": "Hello"},
        {"type_": "stop"},
        {"type_": "mic_start"},
        {"type_": "mic_stop"},
    ):
        await socket.say(**words)
        error = await socket.hear("error")
        assert (error["code"], error["message"]) == ("no_connection", "Send a webrtc_offer first.")
    await socket.close()


async def test_a_second_hello_changes_nobody(cast: Cast) -> None:
    socket = await browser(cast.anna)
    _, token = await sync_to_async(api_token_create)(membership=cast.carla, name="other home")
    await socket.say("hello", token=token)
    assert (await socket.hear("hello_ack"))["household_name"] == "Lake House"
    await socket.close()


async def test_an_offer_while_no_media_worker_runs_says_so(cast: Cast) -> None:
    socket = await browser(cast.anna)
    await socket.say("webrtc_offer", sdp="v=0\r\n", id="o")
    error = await socket.hear("error")
    assert (error["code"], error["reply_to"]) == ("no_worker", "o")
    await socket.close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
known_types = sorted({m.model_fields["type"].default for name in UNIONS for m in members(UNIONS[name])})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    st.sampled_from(known_types),
    st.dictionaries(st.text(max_size=12), json_values, max_size=5),
    st.booleans(),
)
def test_no_object_of_a_known_type_breaks_the_parser(
    type_: str, fields: dict[str, object], device: bool
) -> None:
    try:
        message = (parse_device if device else parse_browser)(json.dumps({**fields, "type": type_}))
    except MessageError:
        return
    assert json.loads(message.to_json())["type"] == type_


def test_a_bucket_lets_the_burst_through_and_then_the_rate() -> None:
    moment = [0.0]
    bucket = TokenBucket(rate=10, burst=3, clock=lambda: moment[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    moment[0] = 0.1
    assert [bucket.take(), bucket.take()] == [True, False]
