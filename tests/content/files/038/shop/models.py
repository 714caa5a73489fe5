from django.db import models


class Order(models.Model):
    net = models.DecimalField(max_digits=8, decimal_places=2)
