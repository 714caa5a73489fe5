from django.conf import settings
from django.db import models


class Order(models.Model):
    class Status(models.TextChoices):
        OPEN = "open"
        PAID = "paid"

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.OPEN)
    total = models.DecimalField(max_digits=8, decimal_places=2)
    wrapping = models.DecimalField(max_digits=6, decimal_places=2, default=0)
    paid_at = models.DateTimeField()
    shipped = models.BooleanField(default=False)
    downloaded = models.BooleanField(default=False)
