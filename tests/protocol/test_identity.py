"""The texts under signatures: no two different things have the same one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.identity import HubWord, hub_text, login_text

pytestmark = pytest.mark.unit

hub_ids = st.text("0123456789abcdef", min_size=64, max_size=64)
device_ids = st.uuids().map(str)
nonces = st.text(max_size=80)  # of the other side: of whatever form
epochs = st.none() | st.integers(1, 10**6)
logins = st.tuples(hub_ids, device_ids, epochs, nonces)
words = st.tuples(st.sampled_from(HubWord), device_ids, nonces)


def login(hub_id: str, device_id: str, epoch: int | None, nonce: str) -> bytes:
    return login_text(nonce=nonce, hub_id=hub_id, device_id=device_id, epoch=epoch)


def word(kind: HubWord, device_id: str, nonce: str) -> bytes:
    return hub_text(word=kind, device_id=device_id, nonce=nonce)


@given(logins, logins)
def test_two_logins_have_one_text_only_where_they_are_the_same(
    one: tuple[str, str, int | None, str], other: tuple[str, str, int | None, str]
) -> None:
    assert (login(*one) == login(*other)) == (one == other)


@given(logins, st.data())
def test_a_login_differs_by_each_of_its_parts(
    one: tuple[str, str, int | None, str], data: st.DataObject
) -> None:
    part = data.draw(st.integers(0, 3))
    other = [*one]
    other[part] = data.draw(st.tuples(hub_ids, device_ids, epochs, nonces))[part]
    assert (login(*one) == login(*other)) == (list(one) == other)  # type: ignore[arg-type]


@given(words, words)
def test_two_words_of_the_hub_have_one_text_only_where_they_are_the_same(
    one: tuple[HubWord, str, str], other: tuple[HubWord, str, str]
) -> None:
    assert (word(*one) == word(*other)) == (one == other)


@given(logins, words)
def test_what_is_signed_for_one_thing_is_no_signature_for_another(
    one: tuple[str, str, int | None, str], other: tuple[HubWord, str, str]
) -> None:
    kinds = {text.split(b"\n")[0] for text in (login(*one), word(*other))}
    assert len(kinds) == 2


def test_the_first_text_is_as_the_first_agents_sign_it() -> None:
    device_id = str(UUID(int=7))
    assert login("ab", device_id, None, "n") == b"hearthline device login 1\nab\n%s\nn" % device_id.encode()
