from django.db import models


class Order(models.Model):
    number = models.CharField(max_length=20)
    email = models.EmailField()
    receipt_sent_at = models.DateTimeField(null=True)
