import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("clinic", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="Care",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(choices=[("main", "Main"), ("consulting", "Consulting")], max_length=10),
                ),
                (
                    "doctor",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="clinic.doctor"),
                ),
                (
                    "patient",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="clinic.patient"),
                ),
            ],
        ),
        migrations.AddConstraint(
            "care", models.UniqueConstraint(fields=["patient", "doctor"], name="one_care_per_doctor")
        ),
        migrations.AddConstraint(
            "care",
            models.UniqueConstraint(
                condition=models.Q(role="main"), fields=["patient"], name="one_main_doctor"
            ),
        ),
        migrations.AddField(
            "patient",
            "doctors",
            models.ManyToManyField(related_name="patients", through="clinic.Care", to="clinic.doctor"),
        ),
    ]
