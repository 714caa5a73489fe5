import django.db.models.deletion
from django.db import migrations, models


def key():
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Ward", fields=[("id", key()), ("name", models.CharField(max_length=40))]
        ),
        migrations.CreateModel(
            name="Bed",
            fields=[
                ("id", key()),
                ("ward", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="wards.ward")),
            ],
        ),
    ]
