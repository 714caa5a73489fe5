from django.db import models


class Recipient(models.Model):
    email = models.EmailField()
    sent_at = models.DateTimeField(null=True)
