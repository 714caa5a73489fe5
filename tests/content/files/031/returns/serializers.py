from rest_framework import serializers

from returns.models import Order, Return


class VisibleOrderField(serializers.PrimaryKeyRelatedField):
    def get_queryset(self):
        user = self.context["request"].user
        return Order.objects.all() if user.is_staff else Order.objects.filter(customer=user)


class ReturnSerializer(serializers.ModelSerializer):
    order = VisibleOrderField()
    quantity = serializers.IntegerField(min_value=1)
    customer = serializers.CharField(source="order.customer.username", read_only=True)

    class Meta:
        model = Return
        fields = ["id", "order", "customer", "quantity", "reason", "status"]
        read_only_fields = ["status"]

    def validate(self, attrs):
        order = attrs.get("order") or self.instance.order
        quantity = attrs.get("quantity") or self.instance.quantity
        if quantity > order.items:
            raise serializers.ValidationError({"quantity": "More than was bought."})
        return attrs
