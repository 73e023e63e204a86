"""S20: what a guest's link is worth: its entropy, what it opens, and that it ends with the loan, also in a call.

Every message goes through the real application of the sockets, PostgreSQL and Valkey. In each trial a guest calls the
device that was lent, and the loan ends: by the clock, or because its owner ends it. What counts is the last of three
moments: the guest heard it, the device heard it, and the media worker was told to close the call.
"""

import asyncio
import math
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from benchmarks.environment import rows_ready
from benchmarks.figures import Figure, Options, figure

if TYPE_CHECKING:
    from devices.models import Loan
    from households.models import Membership
    from tests.plugin_cast import Cast

FIGURES: Final = ("S20.entropy", "S20.scope", "S20.expiry", "S20.revoked")
TRIALS: Final = 100
QUICK_TRIALS: Final = 5
LINKS: Final = 1000
_LENT_FOR_S: Final = 4.0  # the call has to begin before; a hundred of them are waited for
_WITHIN_S: Final = 30.0


def measure(options: Options) -> list[Figure]:
    with rows_ready("guests"):
        return _run(options)


def _run(options: Options) -> list[Figure]:
    from django_scopes import scopes_disabled

    from tests.plugin_cast import _cast_make, guest_make

    with scopes_disabled():
        cast = _cast_make()
        guest = guest_make(cast)
    trials = QUICK_TRIALS if options.is_quick else TRIALS
    found = []
    if options.wants("S20.entropy"):
        found.append(_entropy())
    if options.wants("S20.scope"):
        found.append(_scope(cast, guest))
    for name, is_ended in (("S20.expiry", False), ("S20.revoked", True)):
        if options.wants(name):
            found.append(_figure(name, asyncio.run(_trials(cast, guest, trials, is_ended)), trials))
    return found


def _entropy() -> Figure:
    """Of the secret in the fragment. Each link is another one, and its bytes come from the system's generator."""
    from common.codes import secret_make
    from households.people.invitations import _SECRET_BYTES

    links = {secret_make(_SECRET_BYTES) for _ in range(LINKS)}
    bits = 8 * _SECRET_BYTES if len(links) == LINKS else math.floor(math.log2(len(links)))
    return figure("S20.entropy", "secret of an invitation", bits, "bit", bar=">= 128")


def _scope(cast: "Cast", guest: "Membership") -> Figure:
    """Addresses that a guest with every scope of one device opens, and that no row gives to a guest."""
    from django.test import Client
    from django_scopes import scope

    from config.access_table import ADDRESSES
    from devices.gate import OfDevice, Who
    from tests.plugin_cast import device_make, loan_make

    home = cast.anna.household
    with scope(household=home):
        other, _ = device_make(cast.anna, "Attic speaker", "Attic")
        loan = loan_make(cast.kitchen, guest, can_talk=True, can_listen=True, can_announce=True)
    client = Client(raise_request_exception=False)
    client.force_login(guest.user, "django.contrib.auth.backends.ModelBackend")
    opened, asked = [], 0
    for route, methods in ADDRESSES.items():
        for method, row in methods.items():
            is_given = isinstance(row, Who) or (isinstance(row, OfDevice) and "<uuid:public_id>" not in route)
            if is_given or not isinstance(route, str) or route.startswith("accounts/"):
                continue
            path = "/" + route.replace("<uuid:public_id>", str(other.public_id)).replace(
                "<uuid:loan_id>", str(loan.public_id)
            )
            asked += 1
            if client.generic(method, path).status_code not in (403, 404):
                opened.append(f"{method} {route}")
    with scope(household=home):
        loan.delete()
    words = f"of {asked} addresses that are not a guest's" + (f": {', '.join(opened)}" if opened else "")
    return figure("S20.scope", "opened beyond what was lent", len(opened), "", bar="<= 0", reference=words)


async def _trials(cast: "Cast", guest: "Membership", trials: int, is_ended: bool) -> list[float | None]:
    from tests.fakes.worker import FakeWorker
    from tests.signaling.sockets import device_socket

    found: list[float | None] = []
    async with FakeWorker() as worker:
        for _ in range(trials):
            device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
            try:
                async with asyncio.timeout(_WITHIN_S):
                    found.append(await _trial(cast, guest, worker, device, is_ended))
            except TimeoutError:
                found.append(None)
            finally:
                with suppress(asyncio.CancelledError):  # of a trial that was given up
                    await device.close()
    return found


async def _trial(cast: "Cast", guest: "Membership", worker: Any, device: Any, is_ended: bool) -> float:
    from asgiref.sync import sync_to_async

    from calls.workers.placement import worker_heartbeat
    from common.clock import now
    from tests.signaling.sockets import browser

    await sync_to_async(worker_heartbeat)(worker_id=worker.worker_id, leg_count=0)  # its lease is short
    loan: Loan = await sync_to_async(_lend)(cast, guest, None if is_ended else _LENT_FOR_S)
    page = await browser(guest)
    await page.say("call_invite", device_id=str(cast.kitchen.public_id), id=uuid4().hex)
    call_id = (await page.hear("call_state"))["call_id"]
    await device.hear("call_invite")
    await device.say("call_accept", call_id=call_id)
    while (await page.hear("call_state"))["state"] != "connecting":
        pass
    over_at = loan.ends_at
    if is_ended:
        over_at = now()
        await sync_to_async(_end)(cast, loan)
    await asyncio.gather(page.hear("call_end"), device.hear("call_end"), worker.command())
    lasted_s: float = (now() - over_at).total_seconds()
    await page.close()
    return lasted_s


def _lend(cast: "Cast", guest: "Membership", for_s: float | None) -> "Loan":
    from django_scopes import scope

    from common.clock import now
    from tests.plugin_cast import loan_make

    ends = {} if for_s is None else {"ends_at": now() + timedelta(seconds=for_s)}
    with scope(household=guest.household):
        return loan_make(cast.kitchen, guest, can_talk=True, **ends)


def _end(cast: "Cast", loan: "Loan") -> None:
    from django_scopes import scope

    from devices.sharing.loans import loan_end

    with scope(household=loan.household):
        loan_end(loan=loan, by=cast.anna.user)


def _figure(name: str, found: list[float | None], trials: int) -> Figure:
    done = [lasted for lasted in found if lasted is not None]
    longest = max(done) if len(done) == trials else None
    words = f"{sum(lasted <= 1 for lasted in done)} of {trials} calls within 1 s"
    deed = "its owner ended it" if name == "S20.revoked" else "it ran out"
    return figure(name, f"a loan: {deed}, and the call was over", longest, "s", bar="<= 1", reference=words)
