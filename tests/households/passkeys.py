"""Passkeys of people in tests: as the table holds them, and as a browser answers with one that it cannot prove."""

import hashlib
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal.auth import WebAuthn
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from households.models import User

_HOST = "testserver"
_FLAGS = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV


def passkey_add(user: User, name: str = "Phone") -> Authenticator:
    made = ec.generate_private_key(ec.SECP256R1()).public_key()
    key = ES256.from_cryptography_key(made)  # type: ignore[no-untyped-call]
    credential = AttestedCredentialData.create(Aaguid.NONE, name.encode(), key)
    data = AuthenticatorData.create(_host_hash(), _FLAGS | AuthenticatorData.FLAG.AT, 0, credential)
    proof = AttestationObject.create("none", data, {})
    response = {
        "clientDataJSON": _client_data("webauthn.create"),
        "attestationObject": websafe_encode(bytes(proof)),
    }
    answer = {**_named(name), "response": response, "clientExtensionResults": {"credProps": {"rk": True}}}
    return WebAuthn.add(user, name, answer).instance


def passkey_answer(user: User, name: str = "Phone") -> dict[str, Any]:
    """To a question that nobody asked."""
    response = {
        "clientDataJSON": _client_data("webauthn.get"),
        "authenticatorData": websafe_encode(bytes(AuthenticatorData.create(_host_hash(), _FLAGS, 1))),
        "signature": websafe_encode(b"no signature"),
        "userHandle": websafe_encode(str(user.pk).encode()),
    }
    return {**_named(name), "response": response, "clientExtensionResults": {}}


def _named(name: str) -> dict[str, str]:
    return {"type": "public-key", "id": websafe_encode(name.encode()), "rawId": websafe_encode(name.encode())}


def _client_data(kind: str) -> str:
    made = CollectedClientData.create(type=kind, challenge=b"any", origin=f"https://{_HOST}")
    return websafe_encode(bytes(made))


def _host_hash() -> bytes:
    return hashlib.sha256(_HOST.encode()).digest()
