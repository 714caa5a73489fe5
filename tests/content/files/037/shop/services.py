from django.core.cache import cache
from django.core.mail import send_mail
from django.db import transaction

from shop.models import Coupon


def unused():
    """How many coupons are left, counted once a minute."""
    return cache.get_or_set("unused-coupons", Coupon.objects.filter(used=False).count, 60)


def redeem(coupon):
    with transaction.atomic():
        coupon.used = True
        coupon.save()
        transaction.on_commit(lambda: send_mail("Redeemed", coupon.code, None, ["shop@example.org"]))
