import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Shop",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
            ],
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("status", models.CharField(max_length=10, default="open")),
                ("created_at", models.DateTimeField(default=timezone.now)),
                ("total", models.DecimalField(max_digits=10, decimal_places=2)),
                (
                    "shop",
                    models.ForeignKey(
                        "sales.Shop", on_delete=django.db.models.deletion.CASCADE, db_index=False
                    ),
                ),
            ],
        ),
    ]
