from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path


def ok(request):
    return HttpResponse("ok")


def broken(request):
    return HttpResponse("broken", status=500)


def moved(request):
    return redirect("/products/")


def orders(request):
    return HttpResponse(status=200 if request.headers.get("Authorization") else 401)


urlpatterns = [path("products/", ok), path("broken/", broken), path("moved/", moved), path("orders/", orders)]
