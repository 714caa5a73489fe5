from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from rest_framework.authentication import BasicAuthentication
from rest_framework.decorators import (
    api_view,
    authentication_classes,
    permission_classes,
    throttle_classes,
)
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle
from shop.models import Order
from shop.serializers import LineSerializer, OrderSerializer


class Never(AnonRateThrottle):
    rate = "0/min"


@api_view(["POST"])
def orders(request):
    serializer = OrderSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    return Response(serializer.data, status=201)


@api_view(["POST"])
def lines(request):
    serializer = LineSerializer(data=request.data, many=True)
    serializer.is_valid(raise_exception=True)
    return Response(serializer.data, status=201)


@api_view(["GET"])
def order(request, pk):
    return Response({"number": get_object_or_404(Order, pk=pk).number})


@api_view(["GET"])
@authentication_classes([BasicAuthentication])
@permission_classes([IsAuthenticated])
def private(request):
    return Response({})


@api_view(["GET"])
def forbidden(request):
    raise PermissionDenied("role 'stock' is missing")


@api_view(["GET"])
@throttle_classes([Never])
def throttled(request):
    return Response({})


@api_view(["GET"])
def crash(request):
    raise RuntimeError("relation shop_order does not exist")


def plain_crash(request):
    raise RuntimeError("relation shop_order does not exist")


def plain_forbidden(request):
    raise PermissionDenied("role 'stock' is missing")


def plain(request):
    return HttpResponse("fine")


urlpatterns = [
    path("orders/", orders),
    path("orders/<int:pk>/", order),
    path("lines/", lines),
    path("private/", private),
    path("forbidden/", forbidden),
    path("throttled/", throttled),
    path("crash/", crash),
    path("plain-crash/", plain_crash),
    path("plain-forbidden/", plain_forbidden),
    path("plain/", plain),
]
