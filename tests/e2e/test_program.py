"""The wire protocol as another program speaks it, against the whole hub."""

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import expect

from protocol.errors import CloseCode
from tests.e2e.house import House, house_open, is_said, say_into, words, words_in
from tests.e2e.program import Program, file_microphone, loudest_hz, wav_write

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SENTENCE = "Remind the neighbour to open the curtains on Thursday."


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house_open(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture(scope="module")
def token(house: House) -> str:
    """Made by whoever chose the password a moment ago, and shown once."""
    page = house.context().new_page()
    house.set_up(page)
    page.goto("/settings/")
    page.get_by_role("link", name="Make a token").click()
    page.get_by_label("What is it for?").fill("Robot")
    page.get_by_role("button", name="Make the token").click()
    token = page.locator("#new-token").inner_text()
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_text("Robot").first).to_be_visible()
    assert token not in page.content()
    return token


def run(work: Coroutine[None, None, None]) -> None:
    """Playwright's loop owns this thread, so asyncio gets one of its own."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


@pytest.mark.parametrize("trickle", [False, True], ids=["complete offer", "trickled candidates"])
def test_a_tone_of_the_voices_own_pitch_plays_until_stop(house: House, token: str, trickle: bool) -> None:
    async def work() -> None:
        silence = say_into(house.folder / "silence.wav", "Yes.", lead_s=30)
        async with Program(house.url, token) as program:
            voice = program.hello_ack["voices"][0]
            assert "ice_servers" in program.hello_ack
            await program.connect(file_microphone(silence), trickle=trickle)
            await program.say("start", voice_id=voice["voice_id"])
            await program.listen(0.6)
            assert loudest_hz(await program.listen(0.5)) == pytest.approx(voice["tone_hz"], abs=3)
            await program.say("stop")
            await asyncio.sleep(1.0)
            heard_s = program.heard_s()
            await asyncio.sleep(0.5)
            assert program.heard_s() == heard_s

    run(work())


def test_spoken_text_comes_over_the_live_connection_as_words(house: House, token: str) -> None:
    async def work() -> None:
        silence = say_into(house.folder / "silence.wav", "Yes.", lead_s=30)
        async with Program(house.url, token) as program:
            await program.connect(file_microphone(silence))
            await program.say("speak", text=SENTENCE, id="s")
            heard = wav_write(house.folder / "spoken.wav", await program.listen_out())
        assert is_said(SENTENCE, words_in(heard))

    run(work())


def test_what_is_said_between_mic_start_and_mic_stop_comes_back_as_text(house: House, token: str) -> None:
    async def work() -> None:
        microphone = say_into(house.folder / "microphone.wav", SENTENCE, lead_s=2.0)
        async with Program(house.url, token) as program:
            await program.connect(file_microphone(microphone))
            await program.say("mic_start", id="m1")
            await asyncio.sleep(8)
            await program.say("mic_stop", id="m2")
            answer = await program.hear("transcription")
            assert (answer["reply_to"], answer["final"]) == ("m2", True)
            assert is_said(SENTENCE, words(answer["text"]))

    run(work())


@pytest.mark.parametrize("text", ["", " ", "a" * 501])
def test_a_text_that_cannot_be_spoken_is_refused_in_words(house: House, token: str, text: str) -> None:
    async def work() -> None:
        silence = say_into(house.folder / "silence.wav", "Yes.", lead_s=30)
        async with Program(house.url, token) as program:
            await program.connect(file_microphone(silence))
            await program.say("speak", text=text, id="s")
            error = await program.hear("error")
            assert (error["code"], error["reply_to"]) == ("bad_text", "s")

    run(work())


@pytest.mark.parametrize("sdp", ["hello", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "v=0\r\n" * 300])
def test_an_offer_that_is_none_gets_an_answer_in_words_and_the_socket_lives(
    house: House, token: str, sdp: str
) -> None:
    async def work() -> None:
        async with Program(house.url, token) as program:
            await program.say("webrtc_offer", sdp=sdp, id="bad")
            error = await program.hear("error")
            assert (error["code"], error["reply_to"]) == ("bad_sdp", "bad")
            assert error["message"]
            await program.say("ping", id="p")
            assert (await program.hear("pong"))["reply_to"] == "p"

    run(work())


def test_a_wrong_token_is_refused_with_its_own_close_code(house: House) -> None:
    async def work() -> None:
        program = Program(house.url, "hl_wrong")
        with pytest.raises(AssertionError, match="not_signed_in"):
            async with program:
                pass
        assert program.close_code == CloseCode.NOT_SIGNED_IN

    run(work())
