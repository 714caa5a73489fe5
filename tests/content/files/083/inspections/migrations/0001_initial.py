import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="Team",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False)),
                ("members", models.ManyToManyField(to=settings.AUTH_USER_MODEL)),
                ("last_change", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="Inspection",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                (
                    "team",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="inspections.team"),
                ),
                ("note", models.TextField(blank=True)),
                ("deleted", models.BooleanField(default=False)),
                ("change", models.BigIntegerField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("team", "change"), name="one_row_per_change")]
            },
        ),
        migrations.CreateModel(
            name="Push",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "team",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="inspections.team"),
                ),
                ("result", models.JSONField()),
                ("received", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    ]
