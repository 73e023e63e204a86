"""The addresses of this host: known, and read anew when one comes or goes."""

import json
import shutil
import subprocess
import sys

import pytest

from media.connection import addresses
from media.connection.addresses import HostAddresses

IN_A_NETWORK_OF_ITS_OWN = """
import json, subprocess
from media.connection import addresses
readings = []
read = addresses.get_host_addresses
addresses.get_host_addresses = lambda **which: readings.append(1) or read(**which)
def ip(*words): subprocess.run(["ip", *words], check=True)
ip("link", "set", "lo", "up")
hosts = addresses.HostAddresses()
hosts.watch()
found = []
for change in (None, "add", None, "del", None):
    if change is not None:
        ip("address", change, "192.0.2.77/32", "dev", "lo")
    found.append((hosts.get(), len(readings)))
hosts.close()
print(json.dumps(found))
"""


@pytest.mark.unit
def test_where_nothing_is_watched_they_are_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [["192.0.2.1"], ["192.0.2.2"]]
    monkeypatch.setattr(addresses, "get_host_addresses", lambda **_: found.pop(0))
    hosts = HostAddresses()
    assert [hosts.get(), hosts.get()] == [["192.0.2.1"], ["192.0.2.2"]]


@pytest.mark.unit
def test_where_the_system_tells_of_no_changes_they_are_read_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    found = [["192.0.2.1"], ["192.0.2.2"]]
    monkeypatch.setattr(addresses, "get_host_addresses", lambda **_: found.pop(0))
    monkeypatch.setattr("socket.socket", refuse)
    hosts = HostAddresses()
    hosts.watch()
    assert [hosts.get(), hosts.get()] == [["192.0.2.1"], ["192.0.2.2"]]
    hosts.close()


@pytest.mark.integration
def test_an_address_that_comes_or_goes_is_seen_at_once_and_nothing_is_read_in_between() -> None:
    unshare = shutil.which("unshare")
    assert unshare is not None
    done = subprocess.run(
        [unshare, "--net", sys.executable, "-c", IN_A_NETWORK_OF_ITS_OWN],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = json.loads(done.stdout)
    assert found == [[[], 1], [["192.0.2.77"], 2], [["192.0.2.77"], 2], [[], 3], [[], 3]]
