from django.db import models


class Tenant(models.Model):
    name = models.CharField(max_length=40)
    api_key = models.CharField(max_length=40, unique=True)
    active = models.BooleanField(default=True)


class Price(models.Model):
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="prices")
    sku = models.CharField(max_length=20)
    net = models.DecimalField(max_digits=8, decimal_places=2)
