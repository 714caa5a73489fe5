from django.db import models


class Order(models.Model):
    number = models.CharField(max_length=20)
    total = models.DecimalField(max_digits=8, decimal_places=2)
    shipping_street = models.CharField(max_length=80)
    shipping_city = models.CharField(max_length=40)


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.CharField(max_length=50)
    quantity = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=8, decimal_places=2)


class Document(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="documents")
    kind = models.CharField(max_length=20)
    number = models.CharField(max_length=20)
    due = models.DateField(null=True)
    reason = models.CharField(max_length=200, blank=True)
