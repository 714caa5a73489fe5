from rest_framework.permissions import IsAdminUser
from rest_framework.response import Response
from rest_framework.views import APIView


class Me(APIView):
    def get(self, request):
        return Response({"username": request.user.username})


class Reports(APIView):
    permission_classes = [IsAdminUser]

    def get(self, request):
        return Response([])
