import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone

ID = models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Company", fields=[("id", ID), ("name", models.CharField(max_length=100))]
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", ID),
                (
                    "company",
                    models.ForeignKey("jobs.Company", on_delete=django.db.models.deletion.CASCADE),
                ),
                ("title", models.CharField(max_length=200)),
                ("description", models.TextField()),
                ("city", models.CharField(max_length=80)),
                ("level", models.CharField(max_length=10)),
                ("salary", models.PositiveIntegerField()),
                (
                    "skills",
                    django.contrib.postgres.fields.ArrayField(models.CharField(max_length=40), default=list),
                ),
                ("published", models.BooleanField(default=False)),
                ("published_at", models.DateTimeField(default=timezone.now)),
            ],
        ),
    ]
