from django.conf import settings
from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=50)


class Order(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    number = models.CharField(max_length=20)
    status = models.CharField(max_length=10, default="open")
    margin = models.DecimalField(max_digits=8, decimal_places=2, default=0)


class Line(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="lines")
    quantity = models.PositiveIntegerField(default=1)
