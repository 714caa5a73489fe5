from django.db import models


class Parcel(models.Model):
    number = models.CharField(max_length=20, unique=True)
    weight_g = models.PositiveIntegerField()
