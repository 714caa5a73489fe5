from common.querysets import TenantQuerySet
from django.conf import settings
from django.db import models


class Organisation(models.Model):
    name = models.CharField(max_length=40)


class Member(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE)


class TenantModel(models.Model):
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)
    locked = models.BooleanField(default=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        abstract = True


class Project(TenantModel):
    name = models.CharField(max_length=40)
    brief = models.TextField(blank=True)


class Invoice(TenantModel):
    number = models.CharField(max_length=20)
    total = models.DecimalField(max_digits=8, decimal_places=2, default=0)
