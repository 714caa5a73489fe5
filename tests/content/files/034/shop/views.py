from django.http import JsonResponse

from shop.parcels import ParcelError, book


def ship(request, reference):
    try:
        code = book(reference, grams=500)
    except ParcelError:
        return JsonResponse({"detail": "The carrier does not answer. Try again later."}, status=503)
    return JsonResponse({"tracking_code": code})
