"""Claiming over HTTP: RFC 8628 field names, then a certificate for the device's CSR (RFC 2986)."""

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from protocol.identity import Signature

USER_CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 section 6.1: no vowels, so no words
USER_CODE_LENGTH = 10


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("only letters, digits, signs and spaces")
    return text


Words = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]
# Goes on a terminal and into a QR code, which holds some 2,000 bytes.
_Shown = Annotated[str, Field(max_length=500), AfterValidator(_printable)]


class AuthorizationRequest(BaseModel):
    """POST /api/v1/devices/authorizations"""

    model_config = ConfigDict(extra="forbid")

    csr_pem: str = Field(max_length=4096)
    model: Words
    serial: Words
    capabilities: list[Words] = Field(default_factory=list, max_length=16)
    # Of `unclaimed`, after another home took it over.
    transfer_code: str = Field(default="", max_length=200)
    transfer_proof: Signature = ""  # by the key that it had there, over protocol.identity.transfer_text()


class Authorization(BaseModel):
    """RFC 8628 section 3.2. `verification_uri_complete` carries secret and key fingerprint in the fragment."""

    device_code: str = Field(max_length=200)
    user_code: _Shown
    verification_uri: _Shown
    verification_uri_complete: _Shown
    expires_in: int = Field(ge=0, le=86_400)
    interval: int = Field(ge=0, le=3_600)


class TokenRequest(BaseModel):
    """POST /api/v1/devices/token"""

    model_config = ConfigDict(extra="forbid")

    device_code: str = Field(max_length=200)


class Enrollment(BaseModel):
    """The answer once a member has confirmed."""

    device_id: UUID
    certificate_pem: str
    ca_pem: str
    household_name: str
    device_name: str
    epoch: int = Field(default=1, ge=1)  # of the key: part of what a login signs


class EnrollmentError(BaseModel):
    """RFC 8628 section 3.5: authorization_pending, slow_down, access_denied, expired_token."""

    error: str
    error_description: str
