"""Where the hub is reached: HUB_URL, else as the hub that runs on this data folder was started."""

from django.conf import settings

from common.files import file_write_private

_FILE = "address"


def address_note(*addresses: str) -> None:
    """For commands in another window: they do not know with which port the hub was started."""
    file_write_private(settings.DATA_DIR / _FILE, "\n".join(addresses).encode())


def addresses() -> list[str]:
    """First the one for this computer."""
    if not settings.IS_HUB_URL_SET:
        try:
            return (settings.DATA_DIR / _FILE).read_text().split()
        except FileNotFoundError:
            pass
    return [settings.HUB_URL]
