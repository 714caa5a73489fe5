from django.shortcuts import get_object_or_404
from rest_framework.response import Response
from rest_framework.views import APIView

from shop.models import Order
from shop.pricing import vat


class InvoiceView(APIView):
    def get(self, request, pk):
        net = get_object_or_404(Order, pk=pk).net
        return Response({"net": str(net), "vat": str(vat(net)), "gross": str(net + vat(net))})
