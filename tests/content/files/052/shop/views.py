from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView

from clients.pricing import price_of


class QuoteView(APIView):
    def get(self, request, sku):
        price = price_of(sku)
        if price is None:
            raise NotFound
        return Response({"sku": sku, "price": price})
