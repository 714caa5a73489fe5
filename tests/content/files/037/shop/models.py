from django.db import models
from django.utils import timezone


class Coupon(models.Model):
    code = models.CharField(max_length=12, unique=True)
    valid_until = models.DateTimeField()
    used = models.BooleanField(default=False)

    def __str__(self):
        return self.code

    @property
    def valid(self):
        return timezone.now() <= self.valid_until
