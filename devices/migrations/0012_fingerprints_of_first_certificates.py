"""Certificates from before 0005 say whose key they are for, too: a key that was used is not taken again."""

from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django_scopes import scopes_disabled

_BATCH = 500


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor | None) -> None:
    certificates = apps.get_model("devices", "DeviceCertificate").objects
    with scopes_disabled():
        while rows := list(certificates.filter(fingerprint_sha256="")[:_BATCH]):
            for row in rows:
                row.fingerprint_sha256 = _fingerprint(row.certificate_pem)
            certificates.bulk_update(rows, ["fingerprint_sha256"])


def _fingerprint(certificate_pem: str) -> str:
    key = load_pem_x509_certificate(certificate_pem.encode()).public_key()
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


class Migration(migrations.Migration):
    dependencies = [("devices", "0011_serials_in_any_case")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
