"""What a device keeps between two households, so that the next one gets it without anybody typing."""

import base64
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agent.files import remove, write_atomically
from protocol.identity import transfer_text

TRANSFER_FILE = "transfer.json"


class TransferNote(BaseModel):
    """The old key opens nothing any more. It signs the new one: whoever else reads the code cannot come with it."""

    model_config = ConfigDict(frozen=True)

    hub_url: str
    hub_id: str  # no other hub's certificate is taken meanwhile
    code: str
    old_key_pem: str = Field(repr=False)

    @field_validator("old_key_pem")
    @classmethod
    def _is_key(cls, pem: str) -> str:
        _key(pem)
        return pem

    def proof(self, fingerprint_sha256: str) -> str:
        """That the device with this key is the one that was taken over."""
        text = transfer_text(fingerprint=fingerprint_sha256, code=self.code)
        signature = _key(self.old_key_pem).sign(text, ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(signature).decode("ascii")


def _key(pem: str) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError for a damaged one."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("A device has an EC key.")
    return key


def transfer_keep(data_dir: Path, note: TransferNote) -> None:
    write_atomically(data_dir / TRANSFER_FILE, note.model_dump_json().encode())


def transfer_read(data_dir: Path) -> TransferNote | None:
    try:
        return TransferNote.model_validate_json((data_dir / TRANSFER_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def transfer_forget(data_dir: Path) -> None:
    remove(data_dir / TRANSFER_FILE)
