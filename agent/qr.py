"""The claim link as something a phone can scan, and the code as something a person can type."""

import hmac
import io
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

import segno

from agent.errors import EnrollmentRefusedError
from agent.files import write_atomically

PNG_FILE = "claim.png"


def group_code(user_code: str) -> str:
    """`BCDFGHJKLM` as people read it: `BCDFG-HJKLM`."""
    plain = user_code.replace("-", "").strip().upper()
    half = len(plain) // 2
    return f"{plain[:half]}-{plain[half:]}"


def check_link(link: str, *, fingerprint_sha256: str) -> None:
    """The fragment `#s=<secret>&f=<fingerprint>` must name this key. Raises EnrollmentRefusedError."""
    fields = parse_qs(urlsplit(link).fragment)
    fingerprint = fields.get("f", [""])[0].lower()
    if not fields.get("s", [""])[0] or not hmac.compare_digest(
        fingerprint.encode(), fingerprint_sha256.encode()
    ):
        raise EnrollmentRefusedError(
            "The hub's link is not for this device's key. Is something between them?"
        )


def link_at(link: str, hub_url: str | None) -> str:
    """The same link under another address of the hub: a phone cannot open `localhost`."""
    if hub_url is None:
        return link
    hub = urlsplit(hub_url)
    return urlunsplit(urlsplit(link)._replace(scheme=hub.scheme, netloc=hub.netloc))


def terminal_text(link: str) -> str:
    text = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(out=text, compact=True, border=2)
    return text.getvalue()


def write_png(link: str, path: Path) -> None:
    image = io.BytesIO()
    segno.make(link, error="m", micro=False).save(image, kind="png", scale=8, border=4)
    write_atomically(path, image.getvalue())
