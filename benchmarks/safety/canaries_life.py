"""What opens a door in a home's life, each sent through the hub's own pages as people and devices send it.

A device is claimed, somebody is invited, something is lent, given away and taken over. Whatever is secret in that is
planted, so that benchmarks.safety.canaries can search it.
"""

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.sync.client import connect

from protocol.identity import login_text, transfer_text
from tests.plugin_cast import csr_make

# Where a page shows what is shown once.
_SHOWN: Final = re.compile(r'id="(?:secret-link|new-token|device-token)"[^>]*>([^<]+)<')
_HOME: Final = re.compile(r'name="household" value="([0-9a-f-]{36})"')
_DEVICE: Final = re.compile(r"/devices/([0-9a-f-]{36})/")
# Of a link for a new password, which nobody but the mail or the window says.
PASSWORD_LINK: Final = re.compile(r"password/reset/key/[0-9A-Za-z]+-[0-9a-z]{5,}-[0-9a-f]{20,}")
FOLLOW: Final = {"HX-Request": "true"}


@dataclass
class Life:
    """`browser`: the owner's, signed in. `stranger`: without a session, and without the token of a form."""

    browser: httpx.Client
    stranger: httpx.Client
    password: str
    planted: dict[str, str] = field(default_factory=dict)
    pages: list[str] = field(default_factory=list)  # of errors

    def live(self) -> None:
        self._send("/accounts/reauthenticate/", password=self.password)
        key = ec.generate_private_key(ec.SECP256R1())
        device_id = self._claim(key)
        self._invite()
        self._lend(device_id)
        self._token()
        self._foreign()
        self._give(device_id, key)
        self.stranger.post("/accounts/password/reset/", data={"email": "anna@example.org"})
        self._send("/accounts/password/reset/", email="anna@example.org")
        for path in ("/join/", "/take/", "/devices/lookup/", "/api/v1/devices/token", "/api/v1/whip"):
            for secret in list(self.planted.values()):
                sent = {"token": secret, "secret": secret, "user_code": secret, "device_code": secret}
                self.pages.append(self.stranger.post(path, data=sent).text)

    def _claim(self, key: ec.EllipticCurvePrivateKey) -> str:
        codes = self._codes(key)
        self.planted |= {
            "device code": codes["device_code"],
            "QR secret": codes["verification_uri_complete"].split("#s=")[1].split("&")[0],
            "typed code": codes["user_code"],
        }
        self._send("/devices/lookup/", secret=self.planted["QR secret"])
        self._send("/devices/lookup/", user_code=codes["user_code"])
        page = self._send("/devices/confirm/", user_code=codes["user_code"], name="Speaker", room_name="Hall")
        self._poll(codes["device_code"])
        return _found(_DEVICE, str(page.url))

    def _codes(self, key: ec.EllipticCurvePrivateKey, **more: str) -> dict[str, str]:
        request = {"csr_pem": csr_make(key), "model": "Speaker", "serial": "SN-26", **more}
        answer = self.stranger.post("/api/v1/devices/authorizations", json=request)
        answer.raise_for_status()
        return dict(answer.json())

    def _poll(self, device_code: str) -> None:
        self.stranger.post("/api/v1/devices/token", json={"device_code": device_code}).raise_for_status()

    def _invite(self) -> None:
        secret = self._shown(self._send("/people/invite/", role="adult", name="Dora"))
        self.planted["invitation"] = secret
        self._send("/join/", token=secret)

    def _lend(self, device_id: str) -> None:
        lent = {"to": "new", "name": "Gil", "talk": "on", "until": "hour"}
        self.planted["loan link"] = self._shown(self._send(f"/devices/{device_id}/lend/", **lent))
        self._send("/join/", token=self.planted["loan link"])

    def _token(self) -> None:
        token = self._shown(self._send("/settings/tokens/", name="robot"))
        self.planted["API token"] = token
        with connect(self._socket("/ws/hub/"), proxy=None) as socket:
            socket.send(json.dumps({"type": "hello", "token": token}))
            if json.loads(socket.recv(30))["type"] != "hello_ack":
                raise RuntimeError("the API token opens nothing")

    def _foreign(self) -> None:
        page = self._send("/devices/add/foreign/", name="Door", room_name="Hall")
        url = f"/devices/{_found(_DEVICE, str(page.url))}/token/"
        token = self._shown(self.browser.post(url, headers=FOLLOW, follow_redirects=True))
        self.planted["WHIP token"] = token
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
        self.stranger.post("/api/v1/whip", content="v=0", headers=headers)

    def _give(self, device_id: str, key: ec.EllipticCurvePrivateKey) -> None:
        """To another home of the same person, with all that the device says and hears meanwhile."""
        secret = self._shown(self._send(f"/devices/{device_id}/give/"))
        self.planted["take secret"] = secret
        mill = {"household_name": "Mill", "time_zone": "UTC", "language": "en"}
        self._send("/homes/new/", **mill, consents="on", consent="on")
        home = _found(_HOME, self._send("/take/", token=secret).text)
        self._send("/take/accept/", token=secret, household=home, name="Speaker", room_name="Attic")
        code = self._unclaimed(device_id, key)
        self.planted["transfer code"] = code
        new = ec.generate_private_key(ec.SECP256R1())
        proof = _signed(key, transfer_text(fingerprint=_fingerprint(new), code=code))
        self._poll(self._codes(new, transfer_code=code, transfer_proof=proof)["device_code"])

    def _unclaimed(self, device_id: str, key: ec.EllipticCurvePrivateKey) -> str:
        """What the hub tells the device that was given away."""
        with connect(self._socket("/ws/device/"), proxy=None) as socket:
            challenge = json.loads(socket.recv(30))
            text = login_text(
                nonce=challenge["nonce"], hub_id=challenge["hub_id"], device_id=device_id, epoch=1
            )
            hello: dict[str, Any] = {
                "type": "hello", "device_id": device_id, "signature": _signed(key, text), "agent_version": "1",
                "epoch": 1, "nonce": secrets.token_urlsafe(32),
            }  # fmt: skip
            socket.send(json.dumps(hello))
            return str(json.loads(socket.recv(30))["transfer_code"])

    def _socket(self, path: str) -> str:
        return f"ws://{self.browser.base_url.host}:{self.browser.base_url.port}{path}"

    def _send(self, path: str, **fields: str) -> httpx.Response:
        answer = self.browser.post(path, data=fields, follow_redirects=True)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise RuntimeError(f"{path} answered {answer.status_code}")
        self._keep_cookies()
        return answer

    def _keep_cookies(self) -> None:
        """Those that came last: with another home comes another token of forms."""
        jar = sorted(self.browser.cookies.jar, key=lambda cookie: bool(cookie.domain))
        newest = {cookie.name: cookie.value or "" for cookie in jar}
        self.browser.cookies.clear()
        self.browser.cookies.update(newest)
        self.browser.headers["X-CSRFToken"] = newest["csrftoken"]

    @staticmethod
    def _shown(page: httpx.Response) -> str:
        return _found(_SHOWN, page.text).partition("#t=")[2] or _found(_SHOWN, page.text)


def kept_keys(data_dir: Path, keys: list[bytes]) -> dict[str, str]:
    """What opens the rest: a line of the authority's key, and the households' keys, as they would be written."""
    line = (data_dir / "authority" / "ca-key.pem").read_text().splitlines()[1]
    found = {"key of the authority": line}
    for number, key in enumerate(keys):
        ways = {"hex": key.hex(), "base64": base64.b64encode(key).decode(), "bytes": key.decode("latin-1")}
        found |= {f"household key {number} {way}": text for way, text in ways.items()}
    return found


def _signed(key: ec.EllipticCurvePrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, ec.ECDSA(SHA256()))).decode()


def _fingerprint(key: ec.EllipticCurvePrivateKey) -> str:
    """As devices.identity.certificates.fingerprint(), which wants Django."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()


def _found(pattern: re.Pattern[str], text: str) -> str:
    if (match := pattern.search(text)) is None:
        raise RuntimeError(f"nothing like {pattern.pattern} came back")
    return match[1]
