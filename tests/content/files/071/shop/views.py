"""The health views that the answer warns of."""

from django.db import connection
from django.http import HttpResponse
from rest_framework.response import Response
from rest_framework.views import APIView


def naive_health(request):
    return HttpResponse("ok")


def naive_liveness(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok")


class ProtectedHealth(APIView):
    def get(self, request):
        return Response("ok")
