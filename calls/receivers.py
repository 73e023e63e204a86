"""Reactions, one line each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from calls.ending.carriers import calls_uncarried_end_safely, carrier_rename
from calls.ending.rights import call_by_loan, call_ended_with_loan, call_recheck, call_started_recheck
from calls.ending.services import call_end_of_device
from calls.events import call_ended, call_started, recording_finalized, worker_died
from calls.models import Call, Recording
from calls.quality.live import quality_forget
from calls.selectors import calls_visible
from calls.services import call_device_rename
from calls.tasks import listening_copy_create_task, recordings_recover_task
from calls.workers.whip import whip_device_lock_out, whip_worker_died
from common.tasks import delay_on_commit
from devices.events import (
    device_locked_out,
    device_removed,
    device_renamed,
    loan_call_sought,
    loan_use_sought,
)
from devices.models import Device, Loan
from households.accounts.credentials import Credential
from households.events import credential_ended, credential_renewed, id_sought, rights_changed
from households.models import Household, Membership, User


@receiver(id_sought)
def on_id_sought(membership: Membership, public_id: UUID, **_: Any) -> bool:
    return calls_visible(membership).filter(public_id=public_id).exists()


@receiver(loan_use_sought)
def on_loan_use_sought(loan: Loan, **_: Any) -> str:
    return call_by_loan(loan)


@receiver(loan_call_sought)
def on_loan_call_sought(loan: Loan, ended_at: datetime, **_: Any) -> bool:
    return call_ended_with_loan(loan, ended_at)


@receiver(recording_finalized)
def on_recording_finalized(recording: Recording, **_: Any) -> None:
    delay_on_commit(listening_copy_create_task, recording.call_id)


@receiver(worker_died)
def on_worker_died(worker_id: str, **_: Any) -> None:
    delay_on_commit(recordings_recover_task, worker_id)


@receiver(worker_died)
def on_worker_died_with_devices(worker_id: str, **_: Any) -> None:
    whip_worker_died(worker_id=worker_id)


@receiver(call_ended)
def on_call_ended(call: Call, **_: Any) -> None:
    transaction.on_commit(lambda: quality_forget(call))


@receiver(device_removed)
def on_device_removed(device: Device, done: str, **_: Any) -> None:
    call_end_of_device(device=device, done=done)


@receiver(device_renamed)
def on_device_renamed(device: Device, **_: Any) -> None:
    call_device_rename(device=device)


@receiver(rights_changed)
def on_rights_changed(household: Household, user: User | None, **_: Any) -> None:
    call_recheck(household=household, user=user)


# A call that begins at the same moment is seen by nobody before it is in the database. So whoever comes second looks
# again, after the commit: the call, or what ended it. Robust, since the deed is done.


@receiver(call_started)
def on_call_started(call: Call, **_: Any) -> None:
    transaction.on_commit(lambda: call_started_recheck(call=call), robust=True)


@receiver(rights_changed)
def on_rights_changed_for_good(household: Household, user: User | None, **_: Any) -> None:
    transaction.on_commit(lambda: call_recheck(household=household, user=user), robust=True)


@receiver(device_removed)
def on_device_removed_for_good(device: Device, done: str, **_: Any) -> None:
    transaction.on_commit(lambda: call_end_of_device(device=device, done=done), robust=True)


@receiver([device_removed, device_locked_out])
def on_device_locked_out(device: Device, **_: Any) -> None:
    whip_device_lock_out(device=device)


@receiver(credential_renewed)
def on_credential_renewed(before: Credential, after: Credential, **_: Any) -> None:
    carrier_rename(before=before, after=after)


@receiver(credential_ended)
def on_credential_ended(user: User, **_: Any) -> None:
    transaction.on_commit(lambda: calls_uncarried_end_safely(user=user))
