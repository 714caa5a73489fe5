from django.db import models


class Order(models.Model):
    class Status(models.TextChoices):
        OPEN = "open"
        PAID = "paid"
        SHIPPED = "shipped"

    number = models.CharField(max_length=20)
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    tracking_url = models.URLField(null=True, blank=True)
    priority = models.CharField(max_length=10, default="normal")
    warehouse = models.CharField(max_length=10)
    fraud_score = models.IntegerField(default=0)
