from rest_framework import serializers
from shop.models import Order


class OrderSerializer(serializers.ModelSerializer):
    class Meta:
        model = Order
        fields = ["number", "status"]
        read_only_fields = ["status"]
