"""The device as a whole: claim, then be online, until it is unclaimed; then claim again."""

import asyncio
import fcntl
import os
from collections.abc import Coroutine
from pathlib import Path

import httpx
import structlog

from agent.announcer import Announcer
from agent.backends.choice import NamedBackend, SoundBackend
from agent.background import Background
from agent.callmedia import MediaParts
from agent.calls import Phone
from agent.certificates import CertificateKeeper
from agent.config import AgentConfig
from agent.enroll import Enroller
from agent.errors import AgentError
from agent.espeak import speak
from agent.files import make_private_dir
from agent.ice import IceSource
from agent.identity import Identity, key_pem
from agent.introduction import Introduction, Voice
from agent.journal import Journal
from agent.link import Link
from agent.playout import Playout
from agent.processing import SoundProcessing
from agent.state import DeviceState
from agent.transfer import TransferNote, transfer_forget, transfer_keep
from protocol.base import Message
from protocol.certificates import KeyWanted
from protocol.messages.announcements import Announce
from protocol.messages.calls import CallEnd, CallInvited, CallMoved, CallStateMessage
from protocol.messages.household import DeviceSettings, Unclaimed
from protocol.messages.socket import HelloAck

log = structlog.get_logger(__name__)

LOCK_FILE = "agent.lock"
_HTTP_TIMEOUT_S = 15.0


class DataDirLock:
    """One agent per data directory: two would throw each other out of the hub for ever."""

    def __init__(self, data_dir: Path) -> None:
        make_private_dir(data_dir)
        self._handle = os.open(data_dir / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise AgentError(f"Another agent is running with {data_dir}.") from None

    def release(self) -> None:
        os.close(self._handle)


class Agent:
    """`run` ends only by cancellation. The microphone is open during calls and at no other time."""

    def __init__(
        self, config: AgentConfig, *, backend: SoundBackend | None = None, voice: Voice = speak
    ) -> None:
        """`backend`: instead of the microphone and speaker that `config` names. Raises AudioError."""
        self.config = config
        backend = backend or NamedBackend(config.microphone, config.speaker)
        self._lock = DataDirLock(config.data_dir)
        self._http = httpx.AsyncClient(timeout=_HTTP_TIMEOUT_S, trust_env=False)
        self._background = Background()
        self.identity = Identity(config.data_dir)
        self.state = DeviceState()
        self.journal = Journal(config.data_dir)
        self.processing = SoundProcessing()
        self.playout = Playout(backend.speaker(self.processing))
        introduction = Introduction(
            voice=voice if config.says_code else None, playout=self.playout, background=self._background
        )
        self._enroller = Enroller(
            config=config, identity=self.identity, http=self._http, introduction=introduction
        )
        self.link = Link(
            config=config,
            identity=self.identity,
            on_message=self._on_message,
            on_online=self._on_online,
            on_offline=self._on_offline,
        )
        self._certificates = CertificateKeeper(
            identity=self.identity,
            link=self.link,
            state=self.state,
            background=self._background,
            config=config,
        )
        parts = MediaParts(
            identity=self.identity,
            link=self.link,
            ice=IceSource(self.link),
            microphone=backend.microphone(self.processing),
            playout=self.playout,
            processing=self.processing,
            timings=config.timings,
        )
        self.phone = Phone(parts=parts, state=self.state, background=self._background)
        self._announcer = Announcer(
            hub_url=config.hub_url,
            http=self._http,
            journal=self.journal,
            playout=self.playout,
            state=self.state,
            report=self.link.send,
        )
        self.online = asyncio.Event()
        self._is_stopping = False

    async def run(self) -> None:
        work = asyncio.create_task(self._work(), name="agent work")
        try:
            # Shielded, so that the hang-up of a clean stop still finds the socket open.
            await asyncio.shield(work)
        finally:
            self._is_stopping = True
            await self._hang_up()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await self.aclose()

    async def _work(self) -> None:
        log.info("The four words of this device are: {key}", key=self.identity.words)
        self._background.start(asyncio.to_thread(self.processing.load), name="echo canceller")
        while True:
            await self._enroller.claim()
            announcer = self._background.start(self._announcer.run(), name="announcer")
            await self.link.run()
            announcer.cancel()
            await self._forget_household()

    async def _forget_household(self) -> None:
        await self.phone.drop()
        self._announcer.clear()
        last = self.link.last_word
        if last is not None and last.transfer_code:
            # Before anything is forgotten: after a power cut the hub says it again, or the device has it.
            note = TransferNote(
                hub_url=self.config.hub_url,
                hub_id=self.identity.hub_id,
                code=last.transfer_code,
                old_key_pem=key_pem(self.identity.private_key).decode(),
            )
            transfer_keep(self.config.data_dir, note)
        else:
            transfer_forget(self.config.data_dir)
        self.identity.wipe()
        self.journal.clear()
        _parting_say(last)

    async def _hang_up(self) -> None:
        try:
            async with asyncio.timeout(self.config.timings.stop_s / 2):
                await self.phone.hang_up()
        except TimeoutError:
            log.warning("The call could not be ended in time.")

    async def aclose(self) -> None:
        try:
            async with asyncio.timeout(self.config.timings.stop_s / 2):
                await self.playout.aclose()
                await self._background.aclose()
                await self._http.aclose()
        except TimeoutError:
            log.warning("Not everything could be closed in time.")
        finally:
            self._lock.release()

    async def press(self) -> None:
        """What the Enter key does: answer; in a call, hang up; while unclaimed, show and say the code."""
        if not self.identity.is_claimed:
            self._enroller.show(is_asked=True)
        elif self.state.has_call and self.phone.is_accepted:
            await self.phone.hang_up()
        else:
            await self.phone.accept()

    async def accept(self) -> None:
        await self.phone.accept()

    def _on_online(self, ack: HelloAck) -> None:
        self.identity.rename(ack.device_name)
        self.online.set()
        self._certificates.online(ack)

    def _on_offline(self) -> None:
        self.online.clear()
        self._certificates.offline()
        if self._is_stopping:
            return
        name = self.identity.device_name
        if self.phone.is_accepted:
            log.warning(
                "{device} has lost the hub. The call goes on while both ends hear each other.", device=name
            )
        else:
            log.warning("{device} is offline", device=name)

    def _on_message(self, message: Message) -> None:
        if isinstance(message, DeviceSettings):
            self.processing.switch(is_on=message.echo_cancellation)
            self.identity.rename(message.device_name)
            return
        if isinstance(message, KeyWanted):
            self._certificates.key_wanted()
            return
        work = self._work_for(message)
        if work is None:
            log.debug("nothing to do for this message", type=getattr(message, "type", ""))
        else:
            self._background.start(work, name=type(message).__name__)

    def _work_for(self, message: Message) -> Coroutine[object, object, None] | None:
        match message:
            case CallInvited():
                return self.phone.invited(message)
            case CallStateMessage():
                return self.phone.call_state(message)
            case CallMoved():
                return self.phone.moved(message)
            case CallEnd():
                return self.phone.ended(message)
            case Announce():
                return self._announcer.take(message)
            case _:
                return None


def _parting_say(last: Unclaimed | None) -> None:
    """What becomes of it now. None: its hub does not know it any more, which was said."""
    if last is None:
        log.info("To add this device again, use the code that follows.")
    elif last.transfer_code:
        log.info("This device was given to another home, and joins it by itself.")
    else:
        log.info("This device was removed from its home. To add it again, use the code that follows.")
