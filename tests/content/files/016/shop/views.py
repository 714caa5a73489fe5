from rest_framework.response import Response
from rest_framework.views import APIView


class OrderList(APIView):
    def get(self, request):
        return Response({"user": str(request.user.pk)})
