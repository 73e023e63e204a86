"""The texts under signatures: no two different things have the same one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.identity import HubWord, answer_text, fingerprints, hub_text, login_text

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


digests = st.lists(st.binary(min_size=1, max_size=1), min_size=32, max_size=32).map(
    lambda parts: ":".join(part.hex().upper() for part in parts)
)
sets = st.lists(digests.map("sha-256 {}".format), min_size=1, max_size=3, unique=True).map(sorted)
calls = st.uuids().map(str)
answers = st.tuples(device_ids, calls, st.text(max_size=64), sets, sets)


def answer(device_id: str, call_id: str, request_id: str, offered: list[str], answered: list[str]) -> bytes:
    return answer_text(
        device_id=device_id, call_id=call_id, request_id=request_id, offered=offered, answered=answered
    )


@given(answers, st.data())
def test_an_answer_differs_by_each_of_its_parts(
    one: tuple[str, str, str, list[str], list[str]], data: st.DataObject
) -> None:
    part = data.draw(st.integers(0, 4))
    other = [*one]
    other[part] = data.draw(answers)[part]
    assert (answer(*one) == answer(*other)) == (list(one) == other)  # type: ignore[arg-type]
    assert answer(*one).split(b"\n")[0] not in (b"hearthline hub word 1", b"hearthline device login 2")


@given(sets, st.sampled_from(["\r\n", "\n", "\x0b", "\u2028"]))
def test_every_certificate_that_a_description_names_is_found(named: list[str], end: str) -> None:
    sdp = end.join(["v=0", *(f"a=fingerprint:{value}" for value in named), "m=audio 9 UDP/TLS/RTP/SAVPF 96"])
    assert fingerprints(sdp) == tuple(named)
    assert fingerprints(sdp.replace("a=fingerprint:sha", "A=Fingerprint:SHA").lower()) == tuple(named)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "a=fingerprint:",
        "a=fingerprint:sha-256",
        "a=fingerprint:sha-256 AB",
        "a=fingerprint:md5 " + ":".join(["AB"] * 32),
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + ",sha-256 " + ":".join(["CD"] * 32),
        "a=fingerprint:sha-256  " + ":".join(["AB"] * 32),
    ],
)
def test_a_certificate_that_is_named_oddly_or_not_at_all_is_none(line: str) -> None:
    good = "a=fingerprint:sha-256 " + ":".join(["EF"] * 32)
    with pytest.raises(ValueError, match="does not name its certificate"):
        fingerprints("\r\n".join(["v=0", line]))
    if line:
        with pytest.raises(ValueError, match="does not name its certificate"):
            fingerprints("\r\n".join([good, line]))
