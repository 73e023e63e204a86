"""The stamp of a message inside the hub: it holds for this message, to this place, and for no other."""

from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from common.stamps import EVENT_TYPE, RECHECK_TYPE, REFUSED, event_is_ours, event_stamped

pytestmark = pytest.mark.unit

addresses = st.text("abc.-!0123", min_size=1, max_size=20)
kinds = st.sampled_from([EVENT_TYPE, RECHECK_TYPE])
texts = st.text(max_size=200)


@given(kinds, addresses, texts)
def test_what_the_hub_wrote_is_taken_where_it_was_sent_to(kind: str, to: str, text: str) -> None:
    event = event_stamped(kind=kind, to=to, text=text)
    assert event_is_ours(event, at=("elsewhere", to))
    assert not event_is_ours(event, at=("elsewhere", to + "x"))
    assert (event["type"], event["text"]) == (kind, text)


@given(addresses, texts, st.sampled_from(["type", "to", "text", "stamp"]), st.data())
def test_a_message_with_any_part_changed_is_refused(
    to: str, text: str, part: str, data: st.DataObject
) -> None:
    event: dict[str, Any] = dict(event_stamped(kind=EVENT_TYPE, to=to, text=text))
    others = st.one_of(
        st.none(), st.integers(), st.binary(max_size=70), texts, kinds, st.just(event["stamp"])
    )
    event[part] = data.draw(others.filter(lambda value: value != event[part]))
    assert not event_is_ours(event, at=(to, str(event["to"])))


@given(addresses, texts, st.sampled_from(["type", "to", "text", "stamp"]))
def test_a_message_with_a_part_missing_is_refused(to: str, text: str, part: str) -> None:
    event = event_stamped(kind=EVENT_TYPE, to=to, text=text)
    del event[part]
    assert not event_is_ours(event, at=(to,))


@pytest.mark.parametrize("event", [None, [], "text", 7, {}, {"type": "websocket.receive", "text": "{}"}])
def test_what_is_no_message_at_all_is_refused(event: Any) -> None:
    assert not event_is_ours(event, at=("a",))


@given(addresses, addresses, texts, texts)
def test_no_two_messages_have_one_stamp(one: str, other: str, first: str, second: str) -> None:
    stamps = [
        event_stamped(kind=EVENT_TYPE, to=to, text=text)["stamp"]
        for to, text in ((one, first), (other, second))
    ]
    assert (stamps[0] == stamps[1]) == ((one, first) == (other, second))


def test_another_secret_makes_other_stamps_and_refusals_are_counted() -> None:
    with override_settings(DATA_KEY="of another installation"):
        event = event_stamped(kind=EVENT_TYPE, to="a", text="hello")
        assert event_is_ours(event, at=("a",))
    before = REFUSED._value.get()
    assert not event_is_ours(event, at=("a",))
    assert REFUSED._value.get() == before + 1
