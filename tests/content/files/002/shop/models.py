from django.db import models


class Order(models.Model):
    customer_number = models.CharField(max_length=20)
    note = models.CharField(max_length=100, null=True, blank=True)
    express = models.BooleanField(default=False)
    extra = models.JSONField(default=dict)
