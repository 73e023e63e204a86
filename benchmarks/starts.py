"""How long `manage.py up` takes until it shows the address: with an empty data folder, and with its own."""

import signal
import time
from pathlib import Path
from typing import Final

from tests.operate.hub_process import HubProcess

STOP_WITHIN_S: Final = 30.0


def first_start(data_dir: Path) -> float:
    """Raises ValueError for a data folder that is there already."""
    if data_dir.exists():
        raise ValueError(f"{data_dir} was used before")
    return _start_s(data_dir)


def second_start(data_dir: Path) -> float:
    """Raises ValueError for a data folder without a first start."""
    if not data_dir.exists():
        raise ValueError(f"{data_dir} was not used before")
    return _start_s(data_dir)


def _start_s(data_dir: Path) -> float:
    """From the command until the address is on the console. Everything has ended when this returns."""
    began_s = time.monotonic()
    hub = HubProcess(data_dir)
    try:
        hub.until("Hearthline is ready")
        took_s = time.monotonic() - began_s
        hub.end(signal.SIGINT, within_s=STOP_WITHIN_S)
    finally:
        hub.close()
    return took_s
