from django.shortcuts import get_object_or_404
from rest_framework.response import Response
from rest_framework.views import APIView

from invoices.api import invoices_of
from orders.models import Order


class OrderDetail(APIView):
    def get(self, request, pk):
        order = get_object_or_404(Order, pk=pk, customer=request.user)
        invoices = invoices_of(order.pk, request.headers["Authorization"])
        return Response({"id": order.pk, "number": order.number, "invoices": invoices})
