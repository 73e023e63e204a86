"""What let a page in is named, and no longer told: ends of calls held the key of their page's session."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django_scopes import scopes_disabled


def _forget(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with scopes_disabled():
        apps.get_model("calls", "CallParticipant").objects.exclude(carried_by="").update(carried_by="")


class Migration(migrations.Migration):
    dependencies = [("calls", "0012_participant_carried_by")]

    operations = [migrations.RunPython(_forget, migrations.RunPython.noop)]
