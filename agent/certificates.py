"""A new certificate at two thirds of the old one's life, counted by the hub's clock: a device may boot in 1970.

And another key, when the household wants one.
"""

import asyncio
import time
from datetime import datetime, timedelta

import structlog

from agent.background import Background
from agent.config import AgentConfig
from agent.errors import EnrollmentRefusedError, OfflineError, RequestRefusedError
from agent.identity import Identity
from agent.link import Link
from agent.state import DeviceState
from protocol.certificates import Certificate, CertificateInUse, CertificateRequest, renew_at
from protocol.messages.socket import HelloAck

log = structlog.get_logger(__name__)

_TROUBLES = (OfflineError, RequestRefusedError, EnrollmentRefusedError, OSError)


class CertificateKeeper:
    """Works while the device is online. A login is by key, so it comes online with an expired one, too."""

    def __init__(
        self,
        *,
        identity: Identity,
        link: Link,
        state: DeviceState,
        background: Background,
        config: AgentConfig,
    ) -> None:
        self._identity, self._link, self._background, self._config = identity, link, background, config
        self._state = state
        self._keeping: asyncio.Task[None] | None = None
        self._changing: asyncio.Task[None] | None = None

    def online(self, ack: HelloAck) -> None:
        if ack.hub_time is not None:  # an older hub does not renew
            work = self._keep(ack.hub_time, time.monotonic())
            self._keeping = self._background.start(work, name="certificate keeper")

    def offline(self) -> None:
        for task in (self._keeping, self._changing):
            if task is not None:
                task.cancel()
        self._changing = None

    def key_wanted(self) -> None:
        """The hub says so again at every login, until it is done."""
        if self._changing is None:
            self._changing = self._background.start(self._change_key(), name="key change")

    async def _keep(self, hub_time: datetime, at_s: float) -> None:
        await self._tell()
        while True:
            hub_now = hub_time + timedelta(seconds=time.monotonic() - at_s)
            await asyncio.sleep(max(0.0, self._due_in_s(hub_now)))
            if not await self._renew():
                await asyncio.sleep(self._config.timings.certificate_retry_s)

    def _due_in_s(self, hub_now: datetime) -> float:
        has = self._identity.certificate
        return (renew_at(has.not_valid_before_utc, has.not_valid_after_utc) - hub_now).total_seconds()

    async def _renew(self) -> bool:
        """Whether it has another one now. What goes wrong, also with the disk, is tried again later."""
        before = self._identity.certificate.serial_number
        try:
            answer = await self._ask(self._identity.csr_pem(self._config.serial))
            self._identity.renew(certificate_pem=answer.certificate_pem, ca_pem=answer.ca_pem)
        except _TROUBLES as error:
            log.warning("This device got no new certificate: {reason}", reason=str(error) or "no answer")
            return False
        await self._tell()
        is_new = self._identity.certificate.serial_number != before
        if is_new:
            log.info("This device has a new certificate.")
        return is_new

    async def _change_key(self) -> None:
        while True:
            if self._state.has_call:  # its sound would have to be connected anew
                wait_s = self._config.timings.key_look_s
            elif await self._try_key():
                break
            else:
                wait_s = self._config.timings.certificate_retry_s
            await asyncio.sleep(wait_s)
        log.info("This device has a new key, and signs in with it.")
        await self._link.sign_in_again()

    async def _try_key(self) -> bool:
        try:
            csr_pem = self._identity.next_csr_pem(self._config.serial)
            answer = await self._ask(csr_pem, proof=self._identity.sign_next_key())
            self._identity.change_key(
                certificate_pem=answer.certificate_pem, ca_pem=answer.ca_pem, epoch=answer.epoch
            )
        except _TROUBLES as error:
            log.warning("This device got no new key: {reason}", reason=str(error) or "no answer")
            return False
        return True

    async def _ask(self, csr_pem: str, *, proof: str | None = None) -> Certificate:
        answer = await self._link.request(CertificateRequest(csr_pem=csr_pem, proof=proof))
        if not isinstance(answer, Certificate):
            raise EnrollmentRefusedError("The hub answered with something else than a certificate.")
        return answer

    async def _tell(self) -> None:
        await self._link.send(CertificateInUse(serial_number=f"{self._identity.certificate.serial_number:x}"))
