from django.db import connection
from django.http import JsonResponse


def order(request, pk):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.06)")
    return JsonResponse({"id": pk})


def broken(request):
    raise RuntimeError("the view crashed")
