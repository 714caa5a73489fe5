from django.db import connection
from django.http import HttpResponse
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView


def slow(request):
    """Takes as long as the tests hold the lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(54)")
        cursor.execute("SELECT pg_advisory_unlock_shared(54)")
    return HttpResponse("done")


def who(request):
    return HttpResponse(request.user.get_username() or "nobody")


class ThreeAnHour(SimpleRateThrottle):
    rate = "3/hour"

    def get_cache_key(self, request, view):
        return "everybody"


class Limited(APIView):
    throttle_classes = [ThreeAnHour]

    def get(self, request):
        return Response({})
