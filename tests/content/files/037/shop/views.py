from django.http import JsonResponse
from django.shortcuts import get_object_or_404

from shop.models import Coupon


def coupon(request, pk):
    found = get_object_or_404(Coupon, pk=pk)
    return JsonResponse({"code": found.code, "valid": found.valid})
