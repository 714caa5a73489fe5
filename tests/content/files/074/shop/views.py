from decimal import Decimal

from django.http import JsonResponse


def order(request, name):
    return JsonResponse({"total": float(Decimal(1) / price(name))})


def price(name):
    raise LookupError(f"no price for {name}")


def invoice(request):
    return JsonResponse({"total": price("invoice")})
