from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, viewsets
from shop.models import Order
from shop.serializers import OrderSerializer


@extend_schema_view(
    list=extend_schema(summary="List the orders"),
    create=extend_schema(summary="Place an order"),
    retrieve=extend_schema(summary="Show an order"),
)
class OrderViewSet(
    mixins.ListModelMixin, mixins.CreateModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet
):
    queryset = Order.objects.order_by("pk")
    serializer_class = OrderSerializer
