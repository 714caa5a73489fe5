from django.db import models


class Order(models.Model):
    number = models.CharField(max_length=12)
    announced = models.BooleanField(default=False)

    def __str__(self):
        return self.number
