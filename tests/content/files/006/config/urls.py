from django.urls import path

from sales.views import open_orders

urlpatterns = [path("shops/<int:shop>/orders/", open_orders)]
