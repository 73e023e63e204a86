from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0008_transfer_answers")]

    operations = [
        migrations.AddIndex(
            model_name="device",
            index=models.Index(fields=["next_fingerprint_sha256"], name="device_next_key"),
        ),
        migrations.AddIndex(
            model_name="devicecertificate",
            index=models.Index(fields=["fingerprint_sha256"], name="certificate_key"),
        ),
    ]
