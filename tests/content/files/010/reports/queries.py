"""The monster query of the story."""

from django.db.models import Sum

from reports.models import Sale


def revenue_by_region(year):
    rows = Sale.objects.filter(year=year).values_list("region").annotate(Sum("amount"))
    return dict(rows.order_by("region"))
