from django.http import HttpResponse
from rest_framework.authentication import BasicAuthentication
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.response import Response


@api_view(["GET", "POST"])
@authentication_classes([BasicAuthentication])
def order(request, pk):
    return Response({"id": pk}, status=400 if request.method == "POST" else 200)


@api_view(["GET"])
@authentication_classes([BasicAuthentication])
def export(request):
    return Response([])


def health(request):
    return HttpResponse("ok")
