"""Claiming: the device asks, a person allows, the device gets its certificate (RFC 8628, RFC 2986)."""

import asyncio
import json
import sys
import time

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from agent import qr
from agent.backoff import Backoff
from agent.config import AgentConfig
from agent.errors import EnrollmentRefusedError
from agent.files import remove
from agent.identity import Identity, ca_id
from agent.introduction import Introduction
from agent.transfer import TransferNote, transfer_forget, transfer_read
from protocol.enrollment import (
    Authorization,
    AuthorizationRequest,
    Enrollment,
    EnrollmentError,
    TokenRequest,
)

log = structlog.get_logger(__name__)

AUTHORIZATIONS_PATH = "/api/v1/devices/authorizations"
TOKEN_PATH = "/api/v1/devices/token"  # noqa: S105 - a path
CAPABILITIES = ["microphone", "speaker", "announcements"]
_FRESH_CODE_ERRORS = ("expired_token", "access_denied", "invalid_grant")
_WAIT_WORDS = ("authorization_pending", "slow_down")
_NOT_A_HUB = "The answer of {hub} is not a Hearthline hub's."


class _TryAgainError(Exception):
    """`sentence` is a log template with {hub} and {reason}."""

    def __init__(self, sentence: str, reason: str = "") -> None:
        super().__init__(sentence)
        self.sentence, self.reason = sentence, reason


class Enroller:
    """Asks until a person has said yes. Network errors are waited out."""

    def __init__(
        self,
        *,
        config: AgentConfig,
        identity: Identity,
        http: httpx.AsyncClient,
        introduction: Introduction,
    ) -> None:
        self._config, self._identity, self._http = config, identity, http
        self._introduction = introduction
        timings = config.timings
        self._backoff = Backoff(base_s=timings.backoff_base_s, max_s=timings.backoff_max_s)
        self._authorization: Authorization | None = None
        self._is_waiting = False  # for a hub that gave no answer
        self._transfer: TransferNote | None = None

    async def claim(self) -> None:
        """Returns when the identity is enrolled and stored."""
        self._introduction.begin()
        self._backoff.reset()
        self._is_waiting = False
        while not self._identity.is_claimed:
            try:
                self._authorization = await self._authorize()
                self._answered()
                if self._transfer is None:
                    self.show()
                await self._poll(self._authorization)
            except _TryAgainError as error:
                await self._wait(error)
            finally:
                self._authorization = None
                self._introduction.stop()
        self._transfer = None
        transfer_forget(self._config.data_dir)
        remove(self._config.data_dir / qr.PNG_FILE)

    def show(self, *, is_asked: bool = False) -> None:
        """QR code, typed code and link of the running claim, on the terminal and as PNG; and aloud."""
        authorization = self._authorization
        if authorization is None:
            return
        self._introduction.say(
            user_code=authorization.user_code, words=self._identity.words, is_asked=is_asked
        )
        link, code = authorization.verification_uri_complete, qr.group_code(authorization.user_code)
        png = self._config.data_dir / qr.PNG_FILE
        scanned = qr.link_at(link, self._config.qr_hub_url)
        qr.write_png(scanned, png)
        if self._config.prints_json:
            record = {
                "event": "waiting",
                "user_code": authorization.user_code,
                "words": self._identity.words,
                "serial": self._config.serial,
                "link": link,
                "png": str(png),
            }
            print(json.dumps(record), flush=True)
        print(
            f"\n{qr.terminal_text(scanned)}\nScan this with your phone to add this device, or open\n  {link}\n"
            f"or type the code {code} at {authorization.verification_uri}\n"
            f"The page then shows the same four words as this device: {self._identity.words}\n"
            f"and its serial number: {self._config.serial}\n",
            file=sys.stderr,
            flush=True,
        )

    async def _authorize(self) -> Authorization:
        config = self._config
        self._transfer = transfer_read(config.data_dir)
        request = AuthorizationRequest(
            csr_pem=self._identity.csr_pem(config.serial),
            model=config.model,
            serial=config.serial,
            capabilities=CAPABILITIES,
            **self._of_transfer(),
        )
        response = await self._post(AUTHORIZATIONS_PATH, request)
        if response.status_code == httpx.codes.CONFLICT:
            # The claim went through but its certificate never came, and it will not come again.
            self._identity.wipe()
            raise _TryAgainError(
                "This key is claimed already. The device makes a new one: {reason}", _reason(response)
            )
        if response.status_code not in (200, 201):
            raise _TryAgainError("The hub does not let this device ask: {reason}", _reason(response))
        try:
            authorization = Authorization.model_validate_json(response.content)
            qr.check_link(
                authorization.verification_uri_complete, fingerprint_sha256=self._identity.fingerprint_sha256
            )
        except ValidationError:
            raise _TryAgainError(_NOT_A_HUB) from None
        except EnrollmentRefusedError as error:
            raise _TryAgainError("{reason}", str(error)) from error
        return authorization

    def _of_transfer(self) -> dict[str, str]:
        note = self._transfer
        if note is None:
            return {}
        return {
            "transfer_code": note.code,
            "transfer_proof": note.proof(self._identity.fingerprint_sha256),
        }

    async def _poll(self, authorization: Authorization) -> None:
        """Returns when enrolled, or when a new code is needed."""
        interval_s = max(float(authorization.interval), self._config.timings.poll_least_s)
        give_up_at = time.monotonic() + authorization.expires_in + 2 * interval_s
        while time.monotonic() < give_up_at:
            await asyncio.sleep(interval_s)
            try:
                word = await self._ask_once(authorization)
            except _TryAgainError as error:
                await self._wait(error)
                continue
            if word == "authorization_pending" and self._transfer is not None:
                log.info("Nobody took this device over any more. It shows a code.")
                transfer_forget(self._config.data_dir)
                self._transfer = None
                self.show()
            if word == "slow_down":
                interval_s += self._config.timings.slow_down_s
            elif word != "authorization_pending":
                return

    async def _ask_once(self, authorization: Authorization) -> str:
        """An error word of RFC 8628 section 3.5, or "" when this device is enrolled now."""
        response = await self._post(TOKEN_PATH, TokenRequest(device_code=authorization.device_code))
        if response.status_code == 200:
            self._accept(response)
            return ""
        word = _oauth_error(response)
        if word not in (*_WAIT_WORDS, *_FRESH_CODE_ERRORS):
            raise _TryAgainError("The hub cannot answer just now: {reason}", _reason(response))
        is_good = word in _WAIT_WORDS and self._transfer is None
        self._answered(good_code=authorization.user_code if is_good else "")
        if word in _FRESH_CODE_ERRORS:
            log.info("This code is over, here is a new one.", reason=_reason(response))
        return word

    def _accept(self, response: httpx.Response) -> None:
        try:
            enrollment = Enrollment.model_validate_json(response.content)
            self._check_hub(enrollment)
            self._identity.enroll(hub_url=self._config.hub_url, enrollment=enrollment)
        except ValidationError:
            raise _TryAgainError(_NOT_A_HUB) from None
        except EnrollmentRefusedError as error:
            raise _TryAgainError("{reason}", str(error)) from error
        log.info(
            "{device} belongs to {household} now",
            device=enrollment.device_name,
            household=enrollment.household_name,
        )
        if self._config.prints_json:
            keep = {"device_id", "device_name", "household_name"}
            print(
                json.dumps({"event": "claimed", **enrollment.model_dump(mode="json", include=keep)}),
                flush=True,
            )

    def _check_hub(self, enrollment: Enrollment) -> None:
        """One that was taken over stays with its hub. Raises EnrollmentRefusedError."""
        try:
            is_other = self._transfer is not None and ca_id(enrollment) != self._transfer.hub_id
        except ValueError:
            is_other = True
        if is_other:
            raise EnrollmentRefusedError(
                "Another hub answers than the one on which this device was taken over."
            )

    async def _post(self, path: str, body: BaseModel) -> httpx.Response:
        try:
            return await self._http.post(
                self._config.hub_url + path, json=body.model_dump(exclude_defaults=True)
            )
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise _TryAgainError("The hub at {hub} cannot be reached: {reason}", reason) from error

    def _answered(self, *, good_code: str = "") -> None:
        """Said once, to whoever read that it does not. `good_code`: what this device shows counts as before."""
        self._backoff.reset()
        if self._is_waiting and good_code:
            log.info("The hub answers again. The code {code} is still good.", code=qr.group_code(good_code))
        elif self._is_waiting:
            log.info("The hub answers again.")
        self._is_waiting = False

    async def _wait(self, error: _TryAgainError) -> None:
        delay_s, self._is_waiting = self._backoff.next_s(), True
        log.warning(
            error.sentence, hub=self._config.hub_url, reason=error.reason, retry_in_s=round(delay_s, 1)
        )
        await asyncio.sleep(delay_s)


def _oauth_error(response: httpx.Response) -> str:
    try:
        return EnrollmentError.model_validate_json(response.content).error
    except ValidationError:
        return ""


def _reason(response: httpx.Response) -> str:
    """What the hub said, in at most 200 characters."""
    try:
        body = response.json()
    except ValueError:
        return f"status {response.status_code}"
    if not isinstance(body, dict):
        return f"status {response.status_code}"
    words = body.get("error_description") or body.get("detail") or body.get("message") or body.get("error")
    return str(words)[:200] if words else f"status {response.status_code}"
