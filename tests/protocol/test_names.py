"""What a hub says to a device, whose window shows it."""

import pytest
from pydantic import ValidationError

from protocol.messages.household import DeviceSettings

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["\x1b[2J", "Kitchen\nspeaker", "x" * 201, ""])
def test_a_name_that_would_do_more_than_be_read_is_no_name(name: str) -> None:
    with pytest.raises(ValidationError):
        DeviceSettings(echo_cancellation=True, device_name=name)


def test_a_name_of_any_language_is_one() -> None:
    assert DeviceSettings(echo_cancellation=True, device_name="Küche 夕食 عشاء").device_name
