from django.core.validators import MinValueValidator
from django.db import models


class Order(models.Model):
    class Status(models.TextChoices):
        OPEN = "open"
        PAID = "paid"

    number = models.CharField(max_length=12, unique=True, null=True)
    article = models.CharField(max_length=40)
    quantity = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
