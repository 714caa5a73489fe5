from django.db import models


class Customer(models.Model):
    name = models.CharField(max_length=80)
    country = models.CharField(max_length=2)


class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    ship_country = models.CharField(max_length=2)
