from django.urls import path

from shop.views import OrderView

urlpatterns = [path("orders/", OrderView.as_view())]
