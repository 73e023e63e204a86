"""Addresses of this hub for others: for a phone, or for a device of another maker."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import segno
from django.conf import settings
from django.http import HttpRequest

from common.network import LOOPBACK_HOSTS, lan_address


@dataclass(frozen=True)
class OutsideUrl:
    """`note`: what has to be said about `url`.

    lan: the page was opened on the hub's own computer, so the address is another one than the page's;
    closed: the hub lets in nobody but its own computer; alone: that computer is in no network.
    """

    url: str
    note: Literal["", "lan", "closed", "alone"] = ""

    @property
    def is_mute(self) -> bool:
        """Whether a browser gives no microphone to its pages (W3C Secure Contexts)."""
        parts = urlsplit(self.url)
        return parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS

    @property
    def qr(self) -> str:
        """As a picture to scan, for the src of an image."""
        picture: str = segno.make(self.url, error="m").svg_data_uri(scale=6, light="#fff")
        return picture


def outside_url(request: HttpRequest, path: str) -> OutsideUrl:
    """The hub's own name where it was told one, else the address of this page, if others can reach that."""
    url = f"{settings.HUB_URL}{path}" if settings.IS_HUB_URL_SET else request.build_absolute_uri(path)
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK_HOSTS:
        return OutsideUrl(url)
    if settings.IS_LOCAL_ONLY:
        return OutsideUrl(url, "closed")
    lan = lan_address()
    if lan is None:
        return OutsideUrl(url, "alone")
    host = f"{lan}:{parts.port}" if parts.port else lan
    return OutsideUrl(parts._replace(netloc=host).geturl(), "lan")
