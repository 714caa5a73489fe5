from rest_framework.response import Response
from rest_framework.views import APIView


class OrderList(APIView):
    def get(self, request):
        return Response({"user": request.user.pk})

    def post(self, request):
        return Response(request.data, status=201)
