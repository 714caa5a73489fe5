from rest_framework import serializers


class SignUpSerializer(serializers.Serializer):
    email = serializers.EmailField()
    password = serializers.CharField(min_length=12, write_only=True)
    plan = serializers.ChoiceField(["free", "team"])

    def create(self, validated_data):
        return charge(**validated_data)


def charge(email, password, plan):
    raise RuntimeError("the payment provider did not answer")
