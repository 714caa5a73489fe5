from rest_framework.response import Response
from rest_framework.views import APIView

from shop.serializers import OrderSerializer


class OrderView(APIView):
    def post(self, request):
        order = OrderSerializer(data=request.data)
        order.is_valid(raise_exception=True)
        return Response(order.data, status=201)
