from django.urls import path

from shop.api import OrderList

urlpatterns = [path("orders/", OrderList.as_view())]
