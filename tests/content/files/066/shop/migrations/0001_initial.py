import django
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def pk():
    return (
        "id",
        models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
    )


def user(on_delete, **options):
    return ("user", models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=on_delete, **options))


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            "Order",
            [
                pk(),
                ("paid_at", models.DateTimeField(null=True)),
                user(django.db.models.deletion.PROTECT, related_name="orders"),
            ],
        ),
        migrations.CreateModel(
            "OrderLine",
            [
                pk(),
                ("quantity", models.PositiveIntegerField()),
                (
                    "order",
                    models.ForeignKey(
                        "shop.order", on_delete=django.db.models.deletion.CASCADE, related_name="lines"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(quantity__gte=1), name="line_quantity_gte_1")
                ]
            },
        ),
        migrations.CreateModel(
            "Upload",
            [
                pk(),
                ("document", models.FileField(upload_to="uploads/")),
                user(django.db.models.deletion.CASCADE),
            ],
        ),
        migrations.CreateModel(
            "Ticket",
            [pk(), ("text", models.TextField()), user(django.db.models.deletion.SET_NULL, null=True)],
        ),
    ]
    if django.VERSION >= (6, 1):
        operations.append(
            migrations.CreateModel(
                "PageView",
                [
                    pk(),
                    ("path", models.CharField(max_length=200)),
                    user(django.db.models.deletion.DB_CASCADE),
                ],
            )
        )
