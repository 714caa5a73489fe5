import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = [("orders", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="Invoice",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("number", models.CharField(max_length=20, unique=True)),
                ("total", models.DecimalField(max_digits=10, decimal_places=2)),
                ("order", models.ForeignKey("orders.Order", on_delete=django.db.models.deletion.CASCADE)),
            ],
        ),
    ]
