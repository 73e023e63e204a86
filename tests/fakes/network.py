"""A home of its own behind a router of its own, in two network namespaces. Needs root, iproute2 and iptables.

this machine 10.P.N.1 --- router 10.P.N.2, masquerading --- inside 10.Q.N.2; P and Q belong to this process of the tests
"""

import itertools
import os
import subprocess
from ipaddress import ip_address, ip_network
from types import TracebackType
from typing import Final, Self

_numbers = itertools.count(1)
_FIRST_HOST: Final = 2
_FIRST_NETWORK: Final = 64  # of 10.0.0.0/8
_NETWORKS: Final = ip_network("10.64.0.0/10")
_PROCESS: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def networks_next() -> tuple[str, str]:
    """The first three numbers of the addresses in two networks that nobody else uses here."""
    number, first = next(_numbers), _FIRST_NETWORK + 2 * _PROCESS
    return f"10.{first}.{number}", f"10.{first + 1}.{number}"


def lasting(addresses: list[str]) -> list[str]:
    """Without those of such networks, which end with their test, and calls over them too."""
    return [one for one in addresses if ip_address(one) not in _NETWORKS] or addresses


class Home:
    """`with Home() as home`: programs run inside with `home.inside(command)`, and reach this machine at `home.hub`."""

    def __init__(self) -> None:
        self._outer, self._inner = networks_next()
        number = self._outer.rpartition(".")[2]
        self._router, self._room = f"hl-{os.getpid()}-{number}r", f"hl-{os.getpid()}-{number}i"
        self._cable, self._far_cable = (
            f"hl{os.getpid() % 100_000}-{number}",
            f"up{os.getpid() % 100_000}-{number}",
        )
        self._host = _FIRST_HOST

    @property
    def hub(self) -> str:
        """This machine, as it is seen from inside."""
        return f"{self._outer}.1"

    def inside(self, command: list[str]) -> list[str]:
        return ["ip", "netns", "exec", self._room, *command]

    def cut(self) -> None:
        """Nothing passes any more, and nobody is told: a phone that left the Wi-Fi's reach."""
        self._forward(is_on=False)

    def heal(self) -> None:
        self._forward(is_on=True)

    def rebind(self) -> None:
        """The router gets another outer address and forgets all its mappings, those of TCP too."""
        old, self._host = self._host, self._host + 1
        # Masquerading forgets what went through an interface when that goes down.
        self._in_router("ip", "link", "set", "outer", "down")
        self._in_router("ip", "addr", "add", f"{self._outer}.{self._host}/24", "dev", "outer")
        self._in_router("ip", "addr", "del", f"{self._outer}.{old}/24", "dev", "outer")
        self._in_router("ip", "addr", "replace", f"{self._outer}.{self._host}/24", "dev", "outer")
        self._in_router("ip", "link", "set", "outer", "up")
        self._in_router("ip", "route", "replace", "default", "via", self.hub)

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def _build(self) -> None:
        for space in (self._router, self._room):
            _run("ip", "netns", "add", space)
            _run("ip", "-n", space, "link", "set", "lo", "up")
        _run("ip", "link", "add", self._cable, "type", "veth", "peer", "name", self._far_cable)
        _run("ip", "link", "set", self._far_cable, "netns", self._router, "name", "outer")
        _run("ip", "addr", "add", f"{self.hub}/24", "dev", self._cable)
        _run("ip", "link", "set", self._cable, "up")
        self._in_router("ip", "addr", "add", f"{self._outer}.{self._host}/24", "dev", "outer")
        self._in_router("ip", "link", "set", "outer", "up")
        self._in_router("ip", "route", "add", "default", "via", self.hub)
        self._in_router("ip", "link", "add", "inner", "type", "veth", "peer", "name", "eth0")
        self._in_router("ip", "link", "set", "eth0", "netns", self._room)
        self._in_router("ip", "addr", "add", f"{self._inner}.1/24", "dev", "inner")
        self._in_router("ip", "link", "set", "inner", "up")
        self._in_room("ip", "addr", "add", f"{self._inner}.2/24", "dev", "eth0")
        self._in_room("ip", "link", "set", "eth0", "up")
        self._in_room("ip", "route", "add", "default", "via", f"{self._inner}.1")
        self._in_router("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "outer", "-j", "MASQUERADE")
        self._forward(is_on=True)

    def _forward(self, *, is_on: bool) -> None:
        self._in_router("sysctl", "-q", "-w", f"net.ipv4.ip_forward={int(is_on)}")

    def _in_router(self, *words: str) -> None:
        _run("ip", "netns", "exec", self._router, *words)

    def _in_room(self, *words: str) -> None:
        _run("ip", "netns", "exec", self._room, *words)

    def _remove(self) -> None:
        for words in (
            ("ip", "link", "del", self._cable),
            ("ip", "netns", "del", self._room),
            ("ip", "netns", "del", self._router),
        ):
            subprocess.run(words, capture_output=True, check=False)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
