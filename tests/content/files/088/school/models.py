from django.conf import settings
from django.db import models


class Tenant(models.Model):
    name = models.CharField(max_length=50)


class Profile(models.Model):
    class Plan(models.TextChoices):
        FREE = "free"
        PREMIUM = "premium"

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE)
    plan = models.CharField(max_length=10, choices=Plan, default=Plan.FREE)
