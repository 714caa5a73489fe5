import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("number", models.CharField(max_length=12, null=True, unique=True)),
                ("article", models.CharField(max_length=40)),
                (
                    "quantity",
                    models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(1)]),
                ),
                ("status", models.CharField(default="open", max_length=8)),
            ],
        ),
    ]
