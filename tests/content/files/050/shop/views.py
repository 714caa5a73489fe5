from rest_framework import generics, serializers
from rest_framework.response import Response


class OrderSerializer(serializers.Serializer):
    owner = serializers.CharField()


class OrderList(generics.GenericAPIView):
    serializer_class = OrderSerializer

    def get(self, request):
        return Response({"owner": str(request.user.pk)})
