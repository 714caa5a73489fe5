from rest_framework import serializers


class OrderSerializer(serializers.Serializer):
    number = serializers.CharField(max_length=20)


class PaymentSerializer(serializers.Serializer):
    amount = serializers.DecimalField(max_digits=9, decimal_places=2)
    card_number = serializers.CharField(write_only=True)

    def create(self, validated_data):
        raise RuntimeError("relation shop_payment does not exist on db-7.internal")
