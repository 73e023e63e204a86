"""The calls of S23: of people who were never asked whether they are recorded, and of the same ones once they agreed."""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from benchmarks.safety.kept_watch import HEARD_HZ
from benchmarks.safety.rights_ended import ENDINGS, Slot

if TYPE_CHECKING:
    from calls.models import Call, Recording

TALK_S: Final = 2.0
SAMPLE_RATE_HZ: Final = 48_000
_WITHIN_S: Final = 90.0


@dataclass
class Kept:
    """`early`: samples, or bytes of files that nobody knows of, from before the consent."""

    early: float = 0.0
    samples: float = 0.0
    refused: int = 0
    tried: int = 0
    calls: "list[Call]" = field(default_factory=list)


async def trials_run(slots: list[Slot], host: str, folder: Path, trials: int) -> Kept:
    from asgiref.sync import sync_to_async

    kept = Kept()
    for number in range(trials):
        async with asyncio.timeout(_WITHIN_S):
            # Somebody else's call goes on, into which nobody else may come.
            asking, other = slots[number % 2], slots[(number + 1) % 2]
            await sync_to_async(_prepare)(other)
            async with _talk(other, host) as other_call:
                await _ask_before(asking, host, kept, str(other_call))
            kept.calls.append(await sync_to_async(_call_get)(other_call))
            await sync_to_async(_before_count)(asking, folder, kept)
            await sync_to_async(_agree)(asking)
            async with _talk(asking, host) as call:
                pass
            kept.calls.append(await sync_to_async(_call_get)(call))
        print(f"trial {number + 1} of {trials}", file=sys.stderr)
    for call in kept.calls:
        await sync_to_async(_after_count)(call, kept)
    return kept


def _prepare(slot: Slot) -> None:
    """Signed in, and agreed."""
    ENDINGS["S4.logout"].prepare(slot)


async def _ask_before(slot: Slot, host: str, kept: Kept, other_call: str) -> None:
    """As a page and as a program: call; be heard outside of any call; come into somebody else's."""
    from asgiref.sync import sync_to_async

    for ending in ("S4.logout", "S4.token"):
        await sync_to_async(ENDINGS[ending].prepare)(slot)
        await sync_to_async(_never_asked)(slot)
        for device_id, call_id in ((str(slot.device.public_id), None), ("", other_call)):
            kept.tried += 1
            kept.refused += await _is_refused(slot, host, device_id, call_id)
        await _heard_outside(slot, host)


async def _is_refused(slot: Slot, host: str, device_id: str, call_id: str | None) -> bool:
    from benchmarks.media.soak import _hear, _Peer, _say
    from benchmarks.safety.revocation import _page_socket

    async with _page_socket(slot, host) as page, _Peer(HEARD_HZ[0]) as caller:
        try:
            if call_id is not None:
                await caller.connect(page, call_id)
            else:
                invite_id = uuid4().hex
                await _say(page, "call_invite", device_id=device_id, id=invite_id)
                await _hear(page, "call_state", reply_to=invite_id)
        except RuntimeError:
            return True
    return False


async def _heard_outside(slot: Slot, host: str) -> None:
    """A connection without a call, with sound on it."""
    from aiortc import RTCSessionDescription

    from benchmarks.media.soak import _hear, _Peer, _say
    from benchmarks.safety.revocation import _page_socket

    async with _page_socket(slot, host) as page, _Peer(HEARD_HZ[0]) as caller:
        connection = caller._connection
        await connection.setLocalDescription(await connection.createOffer())
        await _say(page, "webrtc_offer", sdp=connection.localDescription.sdp, id="outside")
        answer = await _hear(page, "webrtc_answer")
        await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        await asyncio.sleep(0.5)


def _never_asked(slot: Slot) -> None:
    from households.models import Membership

    Membership.objects.filter(user=slot.user, household=slot.household).update(consented_at=None)


def _agree(slot: Slot) -> None:
    _client_sign_in(slot)
    answer = slot.client.post("/settings/consent/", {"next": "/", "consent": "on"})
    if answer.status_code != 302:
        raise RuntimeError(f"the page of the consent answered {answer.status_code}")


def _client_sign_in(slot: Slot) -> None:
    from django.test import Client

    slot.client, slot.words = Client(), ""
    slot.client.force_login(slot.user, "django.contrib.auth.backends.ModelBackend")


def _talk(slot: Slot, host: str) -> Any:
    """A call of this person with their device: while it is open both ends hear each other. Its id."""
    from contextlib import asynccontextmanager

    from benchmarks.media.soak import _hear, _Peer, _say
    from benchmarks.safety.revocation import _device_socket, _page_socket

    @asynccontextmanager
    async def opened() -> Any:
        async with (
            _device_socket(slot, host) as device,
            _page_socket(slot, host) as page,
            _Peer(HEARD_HZ[0]) as caller,
            _Peer(HEARD_HZ[1], slot.key) as room,
        ):
            invite_id = uuid4().hex
            await _say(page, "call_invite", device_id=str(slot.device.public_id), id=invite_id)
            call_id = (await _hear(page, "call_state", reply_to=invite_id))["call_id"]
            await _hear(device, "call_invite", call_id=call_id)
            await _say(device, "call_accept", call_id=call_id)
            await asyncio.gather(caller.connect(page, call_id), room.connect(device, call_id))
            await asyncio.gather(caller.heard.wait(), room.heard.wait())
            await asyncio.sleep(TALK_S)
            yield call_id
            await _say(page, "call_end", call_id=call_id)
            await _hear(device, "call_end", call_id=call_id)

    return opened()


def _call_get(call_id: str) -> "Call":
    from calls.models import Call

    return Call.objects.select_related("household", "started_by").get(public_id=call_id)


def _before_count(slot: Slot, folder: Path, kept: Kept) -> None:
    """What was kept of somebody since they were last asked: rows of theirs, and files that are in no row."""
    from calls.models import ListeningCopy, Recording
    from households.models import Membership

    member = Membership.objects.get(user=slot.user, household=slot.household)
    if member.consented_at is not None:
        raise RuntimeError("they had agreed")
    ended = {call.pk for call in kept.calls}
    strange = Recording.objects.filter(call__started_by=slot.user).exclude(call__in=ended)
    kept.early += sum(max(row.duration_s, 1) for row in strange) * SAMPLE_RATE_HZ
    names = {
        *Recording.objects.values_list("name", flat=True),
        *ListeningCopy.objects.values_list("name", flat=True),
    }
    for root in (folder / "recordings", folder / "captures"):
        for path in root.rglob("*"):
            name = str(path.relative_to(root)).removesuffix(".part")
            if path.is_file() and name not in names and not path.name.startswith("."):
                kept.early += path.stat().st_size


def _after_count(call: "Call", kept: Kept) -> None:
    """No sample of a call is older than its caller's yes."""
    from households.models import Membership
    from households.record.audit import AuditKind, audit_list

    assert call.started_by is not None
    member = Membership.objects.get(user=call.started_by, household=call.household)
    if member.consented_at is None:
        raise RuntimeError("a call of somebody who did not agree")
    asked = audit_list(call.household).filter(kind=AuditKind.CONSENTED)
    agreed_at = max((entry.at for entry in asked if call.created_at > entry.at), default=None)
    for row in recordings_of(call):
        kept.samples += row.duration_s * SAMPLE_RATE_HZ
        if agreed_at is not None and row.started_at is not None:
            kept.early += max(0.0, (agreed_at - row.started_at).total_seconds()) * SAMPLE_RATE_HZ


def recordings_of(call: "Call") -> "list[Recording]":
    from calls.models import Recording

    return list(Recording.objects.select_related("household").filter(call=call))
