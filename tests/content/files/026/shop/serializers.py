from rest_framework import serializers


class LineSerializer(serializers.Serializer):
    sku = serializers.CharField()
    quantity = serializers.IntegerField(min_value=1)


class OrderSerializer(serializers.Serializer):
    email = serializers.EmailField()
    lines = LineSerializer(many=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=3), required=False)

    def validate(self, attrs):
        if len(attrs["lines"]) > 2:
            raise serializers.ValidationError("At most 2 lines.", code="too_many_lines")
        return attrs
