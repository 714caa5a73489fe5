from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.exceptions import APIException
from rest_framework.response import Response


@api_view(["GET"])
def order(request, pk):
    return Response({"message": "no such order"}, status=400)


@api_view(["GET"])
def out_of_service(request):
    raise APIException("try again later", code="maintenance")


urlpatterns = [path("orders/<int:pk>/", order), path("out-of-service/", out_of_service)]
