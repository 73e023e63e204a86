"""The end of each record gets a seal, also where nothing was written yet, and no table of entries is emptied at once."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django_scopes import scopes_disabled

from households.record.chain import audit_seal

_FORWARD = """
CREATE TRIGGER audit_entries_stay BEFORE TRUNCATE ON households_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_stays();
"""
_BACK = "DROP TRIGGER audit_entries_stay ON households_auditentry;"


def _seal(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    head_class = apps.get_model("households", "AuditHead")
    with scopes_disabled():
        for household in apps.get_model("households", "Household").objects.all():
            head, _ = head_class.objects.get_or_create(household=household)
            head.seal = audit_seal(head)
            head.save(update_fields=["seal"])


class Migration(migrations.Migration):
    dependencies = [("households", "0007_departures")]

    operations = [
        migrations.AddField("audithead", "seal", models.CharField(blank=True, max_length=64)),
        migrations.RunPython(_seal, migrations.RunPython.noop),
        migrations.RunSQL(_FORWARD, _BACK),
    ]
