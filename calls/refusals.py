"""A message inside the hub that was not as the hub writes it: it goes into the log and the record of the household."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

import structlog
from channels.db import database_sync_to_async
from django.db import DatabaseError
from django_scopes import scopes_disabled

from calls.models import Call
from devices.models import Device
from households.models import Household
from households.record.audit import AuditKind, audit_note

log = structlog.get_logger(__name__)

EVERY_S: Final = 10.0
MOST: Final = 50  # in that time: whoever can write one such message can write many
_SOMEWHERE: Final = "a page of this home"


class Refusals:
    """Of one process. Of each call or device once in a while; what is more is only counted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_at_s = 0.0
        self._told: set[str] = set()
        self._left_out = 0

    async def note(
        self, event: Any, *, device: Device | None = None, household: Household | None = None
    ) -> None:
        """Never raises. `device`, `household`: whom it reached; otherwise the ids in the text say for whom it was."""
        ids = _ids(event.get("text") if isinstance(event, Mapping) else None)
        if not self._is_new(str(sorted(ids.items()))):
            return
        try:
            await database_sync_to_async(_note)(ids, device, household)
        except DatabaseError:
            log.warning("a refused message could not be noted")

    def _is_new(self, subject: str) -> bool:
        now_s = self._clock()
        if now_s >= self._ends_at_s:
            log.warning("a message inside the hub was refused", left_out=self._left_out)
            self._ends_at_s, self._left_out = now_s + EVERY_S, 0
            self._told.clear()
        if subject in self._told or len(self._told) >= MOST:
            self._left_out += 1
            return False
        self._told.add(subject)
        return True


refusals = Refusals()


def _ids(text: object) -> dict[str, UUID]:
    try:
        data = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        data = None
    ids = {name: _uuid(data.get(name)) for name in _NAMES} if isinstance(data, dict) else {}
    return {name: value for name, value in ids.items() if value is not None}


_NAMES: Final = ("call_id", "participant_id", "leg_id", "device_id")


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _note(ids: dict[str, UUID], device: Device | None, household: Household | None) -> None:
    with scopes_disabled():
        device = device or _device(ids)
        if device is not None:
            audit_note(device.household, AuditKind.MESSAGE_REFUSED, device=device.name)
        elif household is not None:
            audit_note(household, AuditKind.MESSAGE_REFUSED, device=_SOMEWHERE)


def _device(ids: dict[str, UUID]) -> Device | None:
    """That of the call, or the one that stands outside of calls."""
    leg_id = ids.get("participant_id") or ids.get("leg_id")
    calls = Call.objects.select_related("device__household")
    call = calls.filter(public_id=ids["call_id"]).first() if "call_id" in ids else None
    if call is None and leg_id is not None:
        call = calls.filter(participants__public_id=leg_id).first()
    if call is not None:
        return call.device
    standing_id = ids.get("device_id", leg_id)
    devices = Device.objects.select_related("household")
    return None if standing_id is None else devices.filter(public_id=standing_id).first()
