"""What a device keeps between two households: the code by which the next one gets it without anybody typing."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.files import remove, write_atomically

TRANSFER_FILE = "transfer.json"


class TransferNote(BaseModel):
    model_config = ConfigDict(frozen=True)

    hub_url: str
    code: str


def transfer_keep(data_dir: Path, note: TransferNote) -> None:
    write_atomically(data_dir / TRANSFER_FILE, note.model_dump_json().encode())


def transfer_read(data_dir: Path) -> TransferNote | None:
    try:
        return TransferNote.model_validate_json((data_dir / TRANSFER_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def transfer_forget(data_dir: Path) -> None:
    remove(data_dir / TRANSFER_FILE)
