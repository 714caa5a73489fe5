from django.urls import path

from orders.health import readyz

urlpatterns = [path("readyz", readyz)]
