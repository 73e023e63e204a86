"""What the console says of the simulated device of `--demo`: it shows a code only while no home has it."""

from pathlib import Path

from django_scopes import scopes_disabled
from pydantic import ValidationError

from agent.identity import ENROLLMENT_FILE, StoredEnrollment
from devices.models import Device

SHOWS_CODE = (
    "The demo speaker starts next. Until it is claimed, it shows its code below: some seconds from now."
)
IS_CLAIMED = (
    "The demo speaker is in {home} already, as {name}: no code follows. It comes online in some seconds."
)
IS_OF_ANOTHER_HUB = (
    "The demo speaker was claimed by another hub, so it shows no code, and cannot be called here.\n"
    "To add it to this hub, stop the hub, remove the folder {folder}, and start again."
)


def demo_note(folder: Path) -> str:
    """`folder`: the data of the demo device."""
    try:
        stored = StoredEnrollment.model_validate_json((folder / ENROLLMENT_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return SHOWS_CODE
    with scopes_disabled():
        known = Device.objects.select_related("household").filter(public_id=stored.enrollment.device_id)
        device = known.first()
    if device is None:
        return IS_OF_ANOTHER_HUB.format(folder=folder)
    if device.revoked_at:  # it hears that when it connects, and shows a new code
        return SHOWS_CODE
    return IS_CLAIMED.format(home=device.household.name, name=device.name)
