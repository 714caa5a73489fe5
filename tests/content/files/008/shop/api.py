from rest_framework import generics, serializers

from shop.models import Item, Order


class ItemSerializer(serializers.ModelSerializer):
    class Meta:
        model = Item
        fields = ["sku"]


class OrderSerializer(serializers.ModelSerializer):
    items = ItemSerializer(many=True)

    class Meta:
        model = Order
        fields = ["number", "items"]


class OrderList(generics.ListAPIView):
    queryset = Order.objects.prefetch_related("items")
    serializer_class = OrderSerializer
