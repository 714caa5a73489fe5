from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Coupon",
            fields=[
                ("id", models.BigAutoField(primary_key=True)),
                ("code", models.CharField(max_length=12, unique=True)),
                ("valid_until", models.DateTimeField()),
                ("used", models.BooleanField(default=False)),
            ],
        ),
    ]
