"""S8: signing requests that were bent, broken or written by somebody hostile, and what certificates come of them."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from benchmarks.figures import Figure, Options, figure
from benchmarks.safety.service import Service, service_open
from benchmarks.safety.signing import BENT, HOSTILE, Bent

FIGURES: Final = ("S8.unhandled", "S8.issued", "S8.http")
COUNT: Final = 50_000
COUNT_QUICK: Final = 2_000
OVER_HTTP: Final = 500
SEED: Final = 8
_ADDRESS_LIMIT: Final = "limit:authorize:127.0.0.1"


@dataclass
class Found:
    unhandled: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    issued: int = 0


def measure(options: Options) -> list[Figure]:
    count = COUNT_QUICK if options.is_quick else COUNT
    with service_open(processes=1) as service:
        found = Found()
        for text in _requests(random.Random(SEED), count):
            _try(text, found)
        errors = _over_http(service)
    words = f"{count} requests, seed {SEED}; {found.issued} were good all the same and got a certificate"
    return [
        figure(
            "S8.unhandled",
            "signing requests that raised something unexpected",
            found.unhandled.total(),
            "",
            bar="<= 0",
            reference=", ".join([words, *found.unhandled]),
        ),
        figure(
            "S8.issued",
            "certificates with CA:TRUE, foreign names, another curve, no proof of the key",
            found.bad.total(),
            "",
            bar="<= 0",
            reference=", ".join([f"{found.issued} issued", *found.bad]),
        ),
        figure(
            "S8.http",
            "answers over HTTP other than 200 and 400",
            errors,
            "",
            bar="<= 0",
            reference=f"{OVER_HTTP} of them",
        ),
    ]


def _requests(chance: random.Random, count: int) -> Iterator[str]:
    """Every hostile one in its turn, and bent copies of good ones."""
    kinds: list[Callable[[Bent], str]] = [*BENT, *HOSTILE]
    bent = Bent(chance)
    for number in range(count):
        yield kinds[number % len(kinds)](bent)


def _try(text: str, found: Found) -> None:
    from common.errors import Invalid
    from devices.identity.certificates import certificate_sign, csr_check

    device_id = uuid4()
    try:
        certificate = certificate_sign(request=csr_check(text), device_id=device_id)
    except Invalid:
        return
    except Exception as problem:  # noqa: BLE001 - what is unhandled is what is counted
        found.unhandled[f"{type(problem).__name__}: {problem}"[:80]] += 1
        return
    found.issued += 1
    found.bad.update(_faults(certificate, text, str(device_id)))


def _faults(certificate: x509.Certificate, text: str, device_id: str) -> list[str]:
    """What is wrong with a certificate that was given for this request."""
    key, faults = certificate.public_key(), []
    extensions = certificate.extensions
    if extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        faults.append("CA:TRUE")
    if extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
        faults.append("may sign")
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if certificate.subject.rfc4514_string() != f"CN={device_id}" or [name.value for name in names] != [
        f"urn:uuid:{device_id}"
    ]:
        faults.append("foreign names")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return [*faults, "another curve"]
    if not _is_proved(key, text):
        faults.append("no proof of the key")
    return faults


def _is_proved(key: ec.EllipticCurvePublicKey, text: str) -> bool:
    """By the bytes that were signed, and not by the function that the hub itself asks."""
    request = x509.load_pem_x509_csr(text.encode())
    algorithm = request.signature_hash_algorithm or hashes.SHA256()
    try:
        key.verify(request.signature, request.tbs_certrequest_bytes, ec.ECDSA(algorithm))
    except InvalidSignature:
        return False
    return True


def _over_http(service: Service) -> int:
    from django.core.cache import cache

    wrong = 0
    texts = list(_requests(random.Random(SEED + 1), OVER_HTTP))
    with service.device() as device:
        for number, text in enumerate(texts):
            if number % 50 == 0:
                cache.delete(_ADDRESS_LIMIT)
            body = {"csr_pem": text, "model": "m", "serial": "s"}
            answer = device.post("/api/v1/devices/authorizations", json=body)
            wrong += answer.status_code not in (200, 400)
    return wrong
