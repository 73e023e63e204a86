"""A small internet in network namespaces: a TURN server, and two homes behind routers of any kind.

    client - router - wan - router - worker
                       |
                      turn

The addresses look public, since the relay refuses private peers; nothing leads out of the namespaces.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Final

from tests.fakes.coturn import Coturn, coturn

TURN_IP: Final = "20.0.0.2"
TURN_PORT: Final = 3478


class Nat(StrEnum):
    """What stands between a home and the internet (the words of RFC 3489 and RFC 4787)."""

    OPEN = "open"  # public addresses, no translation
    CONE = "cone"  # one port for one port, whoever is spoken to; only those may answer
    SYMMETRIC = "symmetric"  # another random port for every one who is spoken to
    UDP_BLOCKED = "UDP blocked"


class Side(StrEnum):
    CLIENT = "client"
    WORKER = "worker"


_NUMBERS: Final = {Side.CLIENT: 1, Side.WORKER: 2}


class Lab:
    """Made by `lab_open`. Needs root and iproute2."""

    def __init__(self) -> None:
        self._prefix = f"hl{os.getpid() % 100_000}"
        self._names = ["wan", "turn", *(name for side in Side for name in (side, f"{side}-r"))]

    def namespace(self, name: str) -> str:
        return f"{self._prefix}-{name}"

    def inside(self, name: str) -> list[str]:
        """Words before a command that shall run there."""
        return ["ip", "netns", "exec", self.namespace(name)]

    def build(self) -> None:
        for name in self._names:
            _run("ip", "netns", "add", self.namespace(name))
            self._in(name, "ip", "link", "set", "lo", "up")
            self._in(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv4.ip_forward=1")
        self._cable("wan", "turn", "20.0.0.1/24", f"{TURN_IP}/24")
        self._in("turn", "ip", "route", "add", "default", "via", "20.0.0.1")
        for side, number in _NUMBERS.items():
            self._cable("wan", f"{side}-r", f"20.1.{number}.1/24", f"20.1.{number}.2/24")
            self._in(f"{side}-r", "ip", "route", "add", "default", "via", f"20.1.{number}.1")
            self._cable(f"{side}-r", side, None, None)

    def configure(self, side: Side, nat: Nat) -> None:
        """The router of that side from now on. Connections that stand break."""
        number, router = _NUMBERS[side], f"{side}-r"
        network = f"20.2.{number}" if nat is Nat.OPEN else f"192.168.7{number}"
        inner, outer = self._link(router, side), self._link(router, "wan")
        for name, link, host in ((router, inner, 1), (side, self._link(side, router), 2)):
            self._in(name, "ip", "addr", "flush", "dev", link)
            self._in(name, "ip", "addr", "add", f"{network}.{host}/24", "dev", link)
        self._in(side, "ip", "route", "replace", "default", "via", f"{network}.1")
        self._in("wan", "ip", "route", "replace", f"20.2.{number}.0/24", "via", f"20.1.{number}.2")
        self._in(router, "iptables", "-F")
        self._in(router, "iptables", "-t", "nat", "-F")
        if nat is Nat.OPEN:
            return
        random = ["--random-fully"] if nat is Nat.SYMMETRIC else []
        self._in(
            router, "iptables", "-t", "nat", "-A", "POSTROUTING", "-o", outer, "-j", "MASQUERADE", *random
        )
        # A router does not answer strangers; and what it dropped must not take a port of those inside.
        self._in(router, "iptables", "-A", "INPUT", "-i", outer, "-j", "DROP")
        known = ["-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED"]
        self._in(router, "iptables", "-A", "FORWARD", "-i", outer, *known, "-j", "ACCEPT")
        self._in(router, "iptables", "-A", "FORWARD", "-i", outer, "-j", "DROP")
        if nat is Nat.UDP_BLOCKED:
            self._in(router, "iptables", "-I", "FORWARD", "-p", "udp", "-j", "DROP")

    def remove(self) -> None:
        for name in self._names:
            subprocess.run(["ip", "netns", "del", self.namespace(name)], capture_output=True, check=False)

    def _cable(self, one: str, other: str, one_address: str | None, other_address: str | None) -> None:
        ends = (self._link(one, other), self._link(other, one))
        _run(
            "ip", "link", "add", ends[0], "netns", self.namespace(one), "type", "veth",
            "peer", "name", ends[1], "netns", self.namespace(other),
        )  # fmt: skip
        for name, link, address in ((one, ends[0], one_address), (other, ends[1], other_address)):
            if address:
                self._in(name, "ip", "addr", "add", address, "dev", link)
            self._in(name, "ip", "link", "set", link, "up")

    def _link(self, here: str, there: str) -> str:
        """An interface has at most 15 letters."""
        return f"to-{there}"[:15]

    def _in(self, name: str, *words: str) -> None:
        _run(*self.inside(name), *words)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")


@contextmanager
def lab_open(folder: Path) -> Iterator[tuple[Lab, Coturn]]:
    """The namespaces, both sides open, and coturn in its own; all is gone afterwards."""
    lab = Lab()
    with ExitStack() as stack:
        stack.callback(lab.remove)
        lab.build()
        for side in Side:
            lab.configure(side, Nat.OPEN)
        server = stack.enter_context(
            coturn(folder / "turn", ip=TURN_IP, allowed=[], prefix=lab.inside("turn"), port=TURN_PORT)
        )
        yield lab, server
