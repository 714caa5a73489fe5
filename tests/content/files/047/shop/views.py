from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from shop.models import Order


class OrderSerializer(serializers.ModelSerializer):
    class Meta:
        model = Order
        fields = ["id", "number", "article", "quantity", "status"]
        read_only_fields = ["number", "status"]


class OrderViewSet(viewsets.ModelViewSet):
    queryset = Order.objects.order_by("pk")
    serializer_class = OrderSerializer

    @action(detail=True, methods=["post"])
    def pay(self, request, pk=None):
        order = self.get_object()
        order.status = Order.Status.PAID
        order.save()
        return Response(self.get_serializer(order).data)
