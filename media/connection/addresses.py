"""The addresses of this host, read anew when the kernel says that they changed (rtnetlink(7))."""

import errno
import socket
from typing import Final

import structlog
from aioice.ice import get_host_addresses

log = structlog.get_logger(__name__)

_IPV4_CHANGES: Final = 0x10  # RTMGRP_IPV4_IFADDR
_IPV6_CHANGES: Final = 0x100  # RTMGRP_IPV6_IFADDR
_MAX_MESSAGE: Final = 8192


class HostAddresses:
    """`get` is cheap between `watch` and `close`."""

    def __init__(self) -> None:
        self._changes: socket.socket | None = None
        self._known: list[str] | None = None

    def watch(self) -> None:
        """Where the system does not tell of changes, the addresses are read each time."""
        try:
            changes = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
            )
            changes.bind((0, _IPV4_CHANGES | _IPV6_CHANGES))
        except (OSError, AttributeError):
            log.info("address_changes_not_told")
            return
        self._changes = changes

    def close(self) -> None:
        if self._changes is not None:
            self._changes.close()
        self._changes = self._known = None

    def get(self) -> list[str]:
        """Without loopback and link-local ones."""
        if self._changes is None:
            return get_host_addresses(use_ipv4=True, use_ipv6=True)
        if self._have_changed(self._changes) or self._known is None:
            self._known = get_host_addresses(use_ipv4=True, use_ipv6=True)
        return list(self._known)

    def _have_changed(self, changes: socket.socket) -> bool:
        have_changed = False
        while True:
            try:
                changes.recv(_MAX_MESSAGE)
            except BlockingIOError:
                return have_changed
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # after that one, what was lost is told no more
                    return True
            have_changed = True
