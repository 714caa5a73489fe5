from rest_framework.response import Response
from rest_framework.views import APIView


class MeView(APIView):
    def get(self, request):
        return Response({"id": request.user.pk, "email": request.user.email})

    def post(self, request):
        return Response(status=204)
