from django.db import models


class Product(models.Model):
    sku = models.CharField(max_length=20, unique=True)
    stock = models.PositiveIntegerField(default=0)


class Order(models.Model):
    email = models.EmailField()


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
