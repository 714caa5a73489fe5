from django.db import models


class Room(models.Model):
    name = models.CharField(max_length=100)
    seats = models.PositiveIntegerField()
    door_code = models.CharField(max_length=10, blank=True)
