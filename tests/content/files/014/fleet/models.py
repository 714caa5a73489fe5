from django.db import models
from django.utils import timezone


class Vehicle(models.Model):
    plate = models.CharField(max_length=12)


class Position(models.Model):
    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE)
    recorded_at = models.DateTimeField(default=timezone.now)
    speed = models.DecimalField(max_digits=5, decimal_places=1)
    driver_note = models.TextField(blank=True)
    raw_frame = models.TextField(blank=True)
