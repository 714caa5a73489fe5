from django.db import connection
from django.shortcuts import get_object_or_404, render
from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.response import Response
from shop.models import Order
from shop.views import OrderView, PaymentView


@api_view(["GET"])
def order(request, pk):
    return Response({"number": get_object_or_404(Order, pk=pk).number})


@api_view(["GET"])
def crash(request):
    raise RuntimeError("relation shop_order does not exist on db-7.internal")


@api_view(["GET"])
def bad_sql(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret_column FROM shop_no_such_table")


def plain_crash(request):
    raise RuntimeError("relation shop_order does not exist on db-7.internal")


def template_crash(request):
    return render(request, "shop/no_such_template.html")


urlpatterns = [
    path("orders/", OrderView.as_view()),
    path("orders/<int:pk>/", order),
    path("payments/", PaymentView.as_view()),
    path("crash/", crash),
    path("bad-sql/", bad_sql),
    path("plain-crash/", plain_crash),
    path("template-crash/", template_crash),
]
