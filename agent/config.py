"""What the command line asks for, and every time limit in one place."""

import argparse
import hashlib
import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from agent.backends.choice import is_sound_card
from agent.errors import AgentError
from agent.renewal import RenewalLimits


@dataclass(frozen=True, kw_only=True)
class Timings:
    """Seconds. Tests shorten them."""

    backoff_base_s: float = 0.5
    backoff_max_s: float = 15.0
    refused_backoff_s: float = 60.0  # a foreign or refusing hub does not change its mind quickly
    not_known_s: float = (
        3600.0  # so long the hub does not know this device, before it believes that it stays so
    )
    replaced_s: float = 5.0
    open_timeout_s: float = 10.0
    ping_interval_s: float = 10.0
    pong_timeout_s: float = 10.0
    request_timeout_s: float = 10.0
    doubt_s: float = 2.0
    hurry_s: float = 1.0  # the longest wait between two tries while a call waits for the hub
    hurry_open_s: float = 3.0
    ring_s: float = 35.0
    renewal: RenewalLimits = field(default_factory=RenewalLimits)
    # With a sample a second that is one message of four. What the hub says to it makes up for a push that was lost.
    stats_interval_s: float = 3.9
    slow_down_s: float = 5.0  # RFC 8628 section 3.5
    poll_least_s: float = 1.0  # also where a hub wants to be asked without a pause
    certificate_retry_s: float = 900.0
    key_look_s: float = 1.0  # whether the call is over, after which the key may change
    stop_s: float = 1.5


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    hub_url: str
    data_dir: Path
    model: str
    serial: str
    microphone: str = "default"
    speaker: str = "default"
    says_code: bool = False
    prints_json: bool = False
    qr_hub_url: str | None = None
    timings: Timings = field(default_factory=Timings)

    @property
    def socket_url(self) -> str:
        return "ws" + self.hub_url.removeprefix("http") + "/ws/device/"


def normalize_hub_url(text: str) -> str:
    """`http(s)://host[:port][/path]` without a slash at its end. Raises AgentError in words."""
    parts = urlsplit(text if "://" in text else f"http://{text}")
    try:
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or too large
        is_good = False
    if not is_good:
        raise AgentError(f"{text!r} is not the address of a hub. It looks like http://192.168.1.10:8000")
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def default_serial() -> str:
    """The board's serial number, else a number that stays the same on this machine."""
    for place in ("/proc/device-tree/serial-number", "/sys/firmware/devicetree/base/serial-number"):
        try:
            serial = Path(place).read_text(encoding="ascii").strip("\0 \n")
        except (OSError, UnicodeDecodeError):
            continue
        if serial:
            return serial[:80]
    try:
        seed = Path("/etc/machine-id").read_text(encoding="ascii")
    except OSError:
        seed = socket.gethostname()
    return "HL-" + hashlib.sha256(f"hearthline {seed}".encode()).hexdigest()[:12].upper()


def config_from(arguments: argparse.Namespace, *, remembered_hub_url: str | None) -> AgentConfig:
    """Raises AgentError where no hub is known."""
    hub = arguments.hub or remembered_hub_url
    if not hub:
        raise AgentError("Which hub? Start with --hub http://ADDRESS:8000")
    return AgentConfig(
        hub_url=normalize_hub_url(hub),
        data_dir=arguments.data_dir,
        model=arguments.model[:80],
        serial=(arguments.serial or default_serial())[:80],
        microphone=arguments.microphone,
        speaker=arguments.speaker,
        says_code=is_sound_card(arguments.speaker) if arguments.say_code is None else arguments.say_code,
        prints_json=arguments.once_claimed_json,
        qr_hub_url=normalize_hub_url(arguments.qr_hub) if arguments.qr_hub else None,
    )
