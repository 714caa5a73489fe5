from django.http import HttpResponse, HttpResponseBadRequest
from django.urls import path


def ok(request):
    return HttpResponse("ok")


def bad(request):
    return HttpResponseBadRequest("bad")


def broken(request):
    raise RuntimeError("broken")


urlpatterns = [path("ok/", ok), path("bad/", bad), path("broken/", broken), path("livez", ok)]
