from django.conf import settings
from django.db import models


class DeliveryQuerySet(models.QuerySet):
    def visible_to(self, user_id):
        both = models.Q(recipient=user_id, recipient__is_active=True)
        return self.filter(both | models.Q(courier=user_id, courier__is_active=True))


class Delivery(models.Model):
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    courier = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    status = models.CharField(max_length=20, default="packed")

    objects = DeliveryQuerySet.as_manager()
