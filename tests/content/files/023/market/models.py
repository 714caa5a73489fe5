from django.conf import settings
from django.db import models

from market.querysets import ListingQuerySet


class Listing(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    title = models.CharField(max_length=100)
    slug = models.SlugField()
    published = models.BooleanField(default=False)

    objects = ListingQuerySet.as_manager()


class Photo(models.Model):
    listing = models.ForeignKey(Listing, on_delete=models.CASCADE)
    url = models.URLField()
