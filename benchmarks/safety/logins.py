"""S7: what was heard of a device's login is worth nothing anywhere else.

Every login goes through the real application of the sockets, PostgreSQL and Valkey. The signatures are real ones of the
claimed keys, made for something else; now and then a login that is right shows that the door can be passed.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.environment import rows_ready
from benchmarks.figures import Figure, Options, figure

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from devices.models import Device
    from tests.signaling.sockets import Socket

FIGURES: Final = ("S7",)
LOGINS: Final = 10_000
QUICK_LOGINS: Final = 300
_AT_ONCE: Final = 8
_RIGHT_EVERY: Final = 100
_WITHIN_S: Final = 60.0


@dataclass(frozen=True)
class Rig:
    """Two devices of one hub: one as it is, and one whose key was changed; one that was removed, one that was given."""

    kitchen: "tuple[Device, EllipticCurvePrivateKey]"
    changed: "tuple[Device, EllipticCurvePrivateKey]"
    removed: "tuple[Device, EllipticCurvePrivateKey]"
    given: "tuple[Device, EllipticCurvePrivateKey]"  # its new row, and its old key


def measure(options: Options) -> list[Figure]:
    with rows_ready("logins"):
        return _run(QUICK_LOGINS if options.is_quick else LOGINS)


def _run(count: int) -> list[Figure]:
    from django_scopes import scopes_disabled

    with scopes_disabled():
        rig = _rig_make()
        said = asyncio.run(_measure(rig, count))
    tried = sum(said[word, name] for word, name in said if name != "right")
    accepted = sum(said["hello_ack", name] for name in KINDS)
    right = f"{said['hello_ack', 'right']} of {sum(n for (_, name), n in said.items() if name == 'right')}"
    words = ", ".join(f"{name} {sum(n for (_, kind), n in said.items() if kind == name)}" for name in KINDS)
    is_valid = tried == count and right.split(" of ", maxsplit=1)[0] == right.split(" of ")[1]
    return [
        figure(
            "S7",
            f"replayed logins that were accepted, of {tried:,}",
            accepted if is_valid else None,
            "",
            bar="= 0",
            reference=f"{words}; right ones accepted: {right}",
        )
    ]


def _rig_make() -> Rig:
    from common.clock import now
    from devices.models import Device
    from tests.plugin_cast import _cast_make, device_make

    cast = _cast_make()
    changed, removed, old = (device_make(cast.anna, f"Speaker {n}", "Hall") for n in range(3))
    new, _ = device_make(cast.carla, "Speaker of Carla", "Hall")
    Device.objects.filter(pk=changed[0].pk).update(claim_epoch=2)
    for device in (removed[0], old[0]):
        Device.objects.filter(pk=device.pk).update(revoked_at=now())
    return Rig((cast.kitchen, cast.keys[cast.kitchen.pk]), changed, removed, (new, old[1]))


async def _measure(rig: Rig, count: int) -> Counter[tuple[str, str]]:
    said: Counter[tuple[str, str]] = Counter()
    left = iter(range(count))

    async def one_after_the_other() -> None:
        for number in left:
            name = list(KINDS)[number % len(KINDS)]
            said[await KINDS[name](rig), name] += 1
            if number % _RIGHT_EVERY == 0:
                said[await _right(rig), "right"] += 1

    await asyncio.gather(*(one_after_the_other() for _ in range(_AT_ONCE)))
    return said


async def _opened() -> "tuple[Socket, dict[str, Any]]":
    from tests.signaling.sockets import Socket

    socket = Socket("/ws/device/", [])
    await socket.open()
    return socket, await socket.hear("challenge")


def _hello(
    device: "Device",
    key: "EllipticCurvePrivateKey",
    challenge: dict[str, Any],
    *,
    epoch: int | None = 1,
    **other: Any,
) -> dict[str, Any]:
    from protocol.identity import login_text
    from tests.signaling.sockets import sign

    signed = {"nonce": challenge["nonce"], "hub_id": challenge["hub_id"], "device_id": str(device.public_id)}
    text = login_text(**{**signed, "epoch": epoch, **other})
    words = {"device_id": str(device.public_id), "signature": sign(key, text), "agent_version": "1"}
    return words | ({"epoch": epoch} if epoch else {})


async def _answer(socket: "Socket", hello: dict[str, Any]) -> str:
    """The first word after this hello; then the socket is closed."""
    async with asyncio.timeout(_WITHIN_S):
        await socket.say("hello", **hello)
        word = str((await socket.hear("hello_ack", "error", "unclaimed"))["type"])
        if word == "hello_ack":
            await socket.close()
        else:
            await socket.closed()
    return word


async def _right(rig: Rig) -> str:
    socket, challenge = await _opened()
    return await _answer(socket, _hello(*rig.kitchen, challenge))


async def _other_connection(rig: Rig) -> str:
    first, challenge = await _opened()
    second, _ = await _opened()
    word = await _answer(second, _hello(*rig.kitchen, challenge))
    await first.close()
    return word


async def _stale_nonce(rig: Rig) -> str:
    gone, challenge = await _opened()
    await gone.close()
    socket, _ = await _opened()
    return await _answer(socket, _hello(*rig.kitchen, challenge))


async def _other_hub(rig: Rig) -> str:
    """A hub that passes our challenge on, and the answer back."""
    socket, challenge = await _opened()
    return await _answer(socket, _hello(*rig.kitchen, challenge, hub_id="ab" * 32))


async def _old_epoch(rig: Rig) -> str:
    socket, challenge = await _opened()
    return await _answer(socket, _hello(*rig.changed, challenge, epoch=1))


async def _no_epoch(rig: Rig) -> str:
    """As the first agents: theirs ended with the first key."""
    socket, challenge = await _opened()
    return await _answer(socket, _hello(*rig.changed, challenge, epoch=None))


async def _revoked(rig: Rig) -> str:
    socket, challenge = await _opened()
    return await _answer(socket, _hello(*rig.removed, challenge))


async def _transferred(rig: Rig) -> str:
    socket, challenge = await _opened()
    return await _answer(socket, _hello(*rig.given, challenge))


KINDS: Final[dict[str, Callable[[Rig], Awaitable[str]]]] = {
    "other connection": _other_connection,
    "other hub": _other_hub,
    "stale nonce": _stale_nonce,
    "old epoch": _old_epoch,
    "no epoch": _no_epoch,
    "revoked": _revoked,
    "transferred": _transferred,
}
