"""Whose role somebody changes is told so. Those of before have seen it by now."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("households", "0009_invitation_permission")]

    operations = [
        migrations.AddField("membership", "role_news", models.CharField(blank=True, default="", max_length=80))
    ]
