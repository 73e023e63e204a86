from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0007_index_of_serials")]

    operations = [
        migrations.AddField(
            model_name="transfer",
            name="to_is_auto_answer",
            field=models.BooleanField(default=False),
        ),
    ]
