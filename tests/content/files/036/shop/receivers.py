from django.db.models.signals import pre_save
from django.dispatch import receiver

from shop.models import Order


@receiver(pre_save, sender=Order)
def announce(sender, instance, **kwargs):
    instance.announced = True
