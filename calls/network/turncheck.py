"""Asks the configured STUN and TURN servers what a call will ask of them, and what they must refuse."""

import asyncio
import socket
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from django.conf import settings

from calls.network.checks import UNREACHABLE, WITHIN_S, Check, CheckFailed, TurnChecks
from turn.client import TurnError
from turn.servers import Server, server_read


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "FAIL"
    FOLLOWS = "-"  # from a failure that has a line of its own


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line: what was found at which server, and what to do where it is a fault."""

    server: str
    what: str  # with the server before it, it is a sentence
    outcome: Outcome
    advice: str = ""

    @property
    def line(self) -> str:
        return " ".join(
            words for words in (f"{self.outcome:<4} {self.server} {self.what}.", self.advice) if words
        )


async def turn_check(*, tls: ssl.SSLContext | None = None) -> list[Finding]:
    """A finding for each server and check. Of one cause only the first has failed, and what follows is one more."""
    found: list[Finding] = []
    told: set[tuple[str, str, str]] = set()
    for url in [*settings.STUN_URLS, *settings.TURN_URLS]:
        try:
            server = server_read(url)
        except ValueError as error:
            what = "is no address of a STUN or TURN server"
            found.append(Finding(server=url, what=what, outcome=Outcome.FAILED, advice=str(error)))
            continue
        found += _once(told, server, await _check(server, TurnChecks(server, tls).all()))
    return found


def _once(told: set[tuple[str, str, str]], server: Server, found: Sequence[Finding]) -> Iterator[Finding]:
    """The same fault of the same host over another transport has the same cause."""
    is_known = False
    for one in found:
        fault = (server.host, one.what, one.advice)
        if one.outcome is Outcome.FAILED and fault in told:
            is_known = True
            yield replace(one, what=f"{one.what}, for the same reason", outcome=Outcome.FOLLOWS, advice="")
        elif one.outcome is not Outcome.FOLLOWS or not is_known:
            yield one
        if one.outcome is Outcome.FAILED:
            told.add(fault)


async def _check(server: Server, checks: Sequence[Check]) -> list[Finding]:
    """Where it cannot be reached nothing more is asked of it."""
    found: list[Finding] = []
    failed: set[str] = set()
    untried: list[str] = []
    for check in checks if server.is_turn else checks[:1]:
        if check.needs in failed:
            failed.add(check.bad)
            untried.append(check.good)
            continue
        advice = await _advice(server, check)
        outcome, what = (Outcome.FAILED, check.bad) if advice else (Outcome.OK, check.good)
        found.append(Finding(server=server.words, what=what, outcome=outcome, advice=advice))
        if advice:
            failed.add(check.bad)
        if UNREACHABLE in failed:
            break
    if untried:
        what = f"was not asked whether it {_listed(untried)}"
        found.append(Finding(server=server.words, what=what, outcome=Outcome.FOLLOWS))
    return found


def _listed(words: Sequence[str]) -> str:
    """In the order of a sentence: a, b or c."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


async def _advice(server: Server, check: Check) -> str:
    """What to do; "" where there is nothing to do."""
    advice = ""
    try:
        async with asyncio.timeout(4 * WITHIN_S):
            await check.run()
    except CheckFailed as failure:
        advice = str(failure)
    except TurnError as error:
        advice = f"It answered with the error {error.code}. Its log says more."
    except TimeoutError:
        protocol = "UDP" if server.transport == "udp" else "TCP"
        advice = f"There is no answer. Look whether it runs, and open port {server.port} ({protocol}) for it."
    except ssl.SSLError:
        advice = (
            "Its certificate is not valid for this name. Renew it, or take the certificate of another name."
        )
    except socket.gaierror:
        advice = f"The name {server.host} is not known here. Check it, and the name server of this computer."
    except ConnectionRefusedError:
        advice = f"Nothing listens on port {server.port} there. Start the server, or correct the port."
    except OSError:
        advice = f"Check the name {server.host} and the port {server.port}, and look whether it runs."
    return advice
