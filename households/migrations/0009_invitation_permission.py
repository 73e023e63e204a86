"""What whoever made an invitation has to be allowed. Those that wait meanwhile are taken for an owner's, for their week."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("households", "0008_audit_seal")]

    operations = [
        migrations.AddField(
            "invitation", "permission", models.CharField(default="people_manage", max_length=40)
        ),
    ]
