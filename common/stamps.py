"""Messages inside the hub bear a stamp: who can write to Redis, and knows no secret, cannot write in the hub's name.

The stamp is an HMAC (RFC 2104) over where the message goes, what kind it is, and its text. It says nothing of when it
was written: what must not happen twice is guarded by the rows.
"""

import hmac
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from prometheus_client import Counter

# What a push looks like inside the channel layer. Consumers have a method push_message().
EVENT_TYPE: Final = "push.message"
# Not for clients: the socket itself looks at the rows again. Consumers have a method recheck().
RECHECK_TYPE: Final = "recheck"

REFUSED = Counter(
    "hearthline_messages_refused", "Messages inside the hub that were not as the hub writes them."
)
_KEY_BYTES: Final = 32
_PARTS: Final = ("type", "to", "text", "stamp")


def event_stamped(*, kind: str, to: str, text: str) -> dict[str, str]:
    """For the channel layer. `to`: the group or channel that it is sent to."""
    return {"type": kind, "to": to, "text": text, "stamp": _stamp(kind, to, text)}


def event_is_ours(event: Any, *, at: Collection[str]) -> bool:
    """Whether the hub wrote it, for one of these groups and channels. Counts what is not."""
    parts = [event.get(name) for name in _PARTS] if isinstance(event, Mapping) else []
    texts = [part for part in parts if isinstance(part, str)]
    is_ours = len(texts) == len(_PARTS) and _is_right(*texts, at=at)
    if not is_ours:
        REFUSED.inc()
    return is_ours


def _is_right(kind: str, to: str, text: str, stamp: str, *, at: Collection[str]) -> bool:
    if kind not in (EVENT_TYPE, RECHECK_TYPE) or to not in at or not stamp.isascii():
        return False
    return hmac.compare_digest(stamp, _stamp(kind, to, text))


def _stamp(kind: str, to: str, text: str) -> str:
    # Neither a kind nor an address has a line break.
    told = f"{kind}\n{to}\n{text}".encode(errors="surrogatepass")
    return hmac.digest(_stamp_key(settings.DATA_KEY), told, "sha256").hex()


@cache
def _stamp_key(data_key: str) -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=b"hearthline messages")
    return hkdf.derive(data_key.encode())
