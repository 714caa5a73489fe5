from django.db import models


class Invoice(models.Model):
    order = models.ForeignKey("orders.Order", on_delete=models.CASCADE)
    number = models.CharField(max_length=20, unique=True)
    total = models.DecimalField(max_digits=10, decimal_places=2)
