from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Event",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(db_default=Now())),
                ("actor", models.CharField(max_length=200)),
                ("db_role", models.CharField(max_length=63, blank=True)),
                ("action", models.CharField(max_length=10)),
                ("table", models.CharField(max_length=63)),
                ("row_id", models.CharField(max_length=64)),
                ("columns", models.JSONField(default=list)),
            ],
        ),
    ]
