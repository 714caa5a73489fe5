from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=40)


class Order(models.Model):
    buyer = models.CharField(max_length=40)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
