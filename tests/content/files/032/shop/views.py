from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from shop.models import Order
from shop.serializers import OrderSerializer


class PaidOrder(APIException):
    status_code = 409
    default_detail = "A paid order is refunded, not cancelled."


class OrderViewSet(viewsets.ReadOnlyModelViewSet):
    queryset = Order.objects.select_related("customer").order_by("pk")
    serializer_class = OrderSerializer

    def filter_queryset(self, queryset):
        status = self.request.query_params.get("status")
        return queryset.filter(status=status) if status else queryset

    @action(detail=True, methods=["post"])
    def cancel(self, request, pk=None):
        order = self.get_object()
        if order.status == Order.Status.PAID:
            raise PaidOrder
        order.status = Order.Status.CANCELLED
        order.save(update_fields=["status"])
        return Response(self.get_serializer(order).data)
