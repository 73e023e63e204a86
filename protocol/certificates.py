"""Over the device's socket: a new certificate for its key, or for a new key. RFC 2986, RFC 5280."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from protocol.base import Message
from protocol.identity import Signature

SerialNumber = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9a-f]+$")]


class CertificateRequest(Message):
    """From the device: a certificate for the key of this CSR. `certificate` answers it.

    It is the claimed key, or the next one after `key_wanted`: then with a `proof` by the key that the device has, over
    protocol.identity.next_key_text(). Asking again gives the same certificate.
    """

    type: Literal["certificate_request"] = "certificate_request"
    csr_pem: str = Field(max_length=4096)
    proof: Signature | None = None


class CertificateInUse(Message):
    """From the device: this one is on its disk. Says so after every hello_ack, and after it stored another."""

    type: Literal["certificate_in_use"] = "certificate_in_use"
    serial_number: SerialNumber  # hex


class Certificate(Message):
    """To the device. `epoch`: what a login with the key of this certificate signs."""

    type: Literal["certificate"] = "certificate"
    certificate_pem: str
    ca_pem: str
    epoch: int = Field(ge=1)


class KeyWanted(Message):
    """To the device: make another key, and ask for a certificate for it. Comes at every login until that is done."""

    type: Literal["key_wanted"] = "key_wanted"


def renew_at(not_before: datetime, not_after: datetime) -> datetime:
    """At two thirds of a certificate's life: the last third is there for a device that is switched off."""
    return not_before + (not_after - not_before) * 2 / 3
