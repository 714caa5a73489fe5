from django.urls import path

from shop.views import OrderCreate

urlpatterns = [path("orders/", OrderCreate.as_view())]
