"""What a device signs to prove the claimed key."""


def login_text(*, nonce: str, hub_id: str, device_id: str) -> bytes:
    """The bytes under the signature of a device's `hello`.

    The hub's identity (SHA-256 of its CA's public key, hex) keeps another hub from passing the answer on;
    the nonce keeps it from being used twice. No clock is involved: a device may boot in 1970.
    """
    return f"hearthline device login 1\n{hub_id}\n{device_id}\n{nonce}".encode()
