from django.db import models


class Brand(models.Model):
    name = models.CharField(max_length=50)


class Tag(models.Model):
    name = models.CharField(max_length=50)


class Product(models.Model):
    name = models.CharField(max_length=50)
    description = models.TextField()
    cost_price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    brand = models.ForeignKey(Brand, on_delete=models.CASCADE)
    tags = models.ManyToManyField(Tag)
