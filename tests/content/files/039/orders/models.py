from django.db import models


class Order(models.Model):
    class Status(models.TextChoices):
        OPEN = "open"
        SHIPPED = "shipped"
        CANCELLED = "cancelled"

    status = models.CharField(max_length=20, choices=Status, default=Status.OPEN)
