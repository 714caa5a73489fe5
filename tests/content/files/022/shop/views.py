from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from shop.models import Order


class OrderCount(APIView):
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"orders": Order.objects.count()})


class MyAccount(APIView):
    def get(self, request):
        return Response({"username": request.user.username})
