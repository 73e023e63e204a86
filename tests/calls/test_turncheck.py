"""`manage.py turncheck` against coturn with our configuration, and against ones that are wrong."""

import ssl
from io import StringIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command

from calls.network.turncheck import Outcome, turn_check
from tests.fakes.coturn import SECRET, coturn
from tests.operate.hub_process import free_port

pytestmark = pytest.mark.integration


async def failures(
    settings: LazySettings, urls: list[str], certificate: Path | None = None
) -> dict[str, str]:
    """Advice, by what failed."""
    settings.TURN_URLS, settings.TURN_SECRET, settings.STUN_URLS = urls, SECRET, []
    tls = ssl.create_default_context(cafile=str(certificate)) if certificate else None
    findings = await turn_check(tls=tls)
    assert findings
    assert all((found.outcome is Outcome.FAILED) == bool(found.advice) for found in findings)
    return {found.what: found.advice for found in findings if found.outcome is Outcome.FAILED}


async def test_our_coturn_passes_every_check_over_udp_tcp_and_tls(
    settings: LazySettings, tmp_path: Path
) -> None:
    with coturn(tmp_path, allowed=["127.0.0.1"]) as server:
        assert await failures(settings, server.urls, server.certificate) == {}


async def test_each_fault_of_a_server_has_its_advice(settings: LazySettings, tmp_path: Path) -> None:
    with coturn(tmp_path / "a", allowed=["127.0.0.0-127.255.255.255", "10.0.0.0-10.255.255.255"]) as server:
        found = await failures(settings, server.urls[:1])
        assert found.keys() == {"lets callers into private networks"}
        assert "127.255.255.254, 10.255.255.253" in found["lets callers into private networks"]
        assert "certificate" in (await failures(settings, server.urls[2:]))["cannot be reached"]
    with coturn(tmp_path / "b", allowed=["127.0.0.99"]) as server:
        found = await failures(settings, server.urls[:1])
        assert found.keys() == {"does not pass sound on"}
        assert "--allow-loopback-peers" in found["does not pass sound on"]


async def test_one_cause_is_one_failure_and_what_follows_from_it_is_marked(
    settings: LazySettings, tmp_path: Path
) -> None:
    with coturn(tmp_path, allowed=["127.0.0.1"], words=("--static-auth-secret=other",)) as server:
        settings.TURN_URLS, settings.STUN_URLS = server.urls[:2], []
        settings.TURN_SECRET, settings.TURN_SECRET_PLACE = "a third", "in the file data/secrets/TURN_SECRET"
        findings = await turn_check()
    udp, tcp = (f"TURN {server.ip}:{server.port} over {transport}" for transport in ("UDP", "TCP"))
    assert [found.line for found in findings] == [
        f"ok   {udp} can be reached.",
        f"FAIL {udp} does not let the hub in. Its static-auth-secret must be the secret of the hub, which is in the "
        "file data/secrets/TURN_SECRET. It needs use-auth-secret too, and both clocks have to be right.",
        f"-    {udp} was not asked whether it passes sound on, refuses a made-up password, refuses a password that has "
        "run out or lets nobody into private networks.",
        f"ok   {tcp} can be reached.",
        f"-    {tcp} does not let the hub in, for the same reason.",
    ]


async def test_who_takes_every_credential_has_one_fault(settings: LazySettings, tmp_path: Path) -> None:
    with coturn(tmp_path, allowed=["127.0.0.1"], asks_credentials=False) as server:
        assert (await failures(settings, server.urls[:1])).keys() == {"lets in whoever makes up a password"}


async def test_a_server_that_is_not_there_and_an_address_that_is_none(settings: LazySettings) -> None:
    found = await failures(settings, [f"turn:127.0.0.1:{free_port()}?transport=tcp"])
    assert found.keys() == {"cannot be reached"}
    assert "is no address of a STUN or TURN server" in await failures(settings, ["http://turn.example.org"])


def test_the_command_says_ok_or_what_to_do_and_ends_accordingly(
    settings: LazySettings, tmp_path: Path
) -> None:
    settings.TURN_SECRET, settings.STUN_URLS = SECRET, []
    with coturn(tmp_path, allowed=["127.0.0.1"]) as server:
        settings.TURN_URLS = server.urls[:2]
        out = StringIO()
        call_command("turncheck", stdout=out)
    lines = out.getvalue().splitlines()
    assert len(lines) == 12
    assert all(line.startswith("ok   TURN 127.0.0.1:") for line in lines)
    settings.TURN_URLS = ["turn:"]
    with pytest.raises(SystemExit) as end:
        call_command("turncheck", stdout=out)
    assert end.value.code == 1
    settings.TURN_URLS = []
    out = StringIO()
    call_command("turncheck", stdout=out)
    assert "No TURN server is configured" in out.getvalue()
