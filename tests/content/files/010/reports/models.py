from django.db import models


class Sale(models.Model):
    region = models.CharField(max_length=20)
    year = models.PositiveSmallIntegerField()
    amount = models.IntegerField()
