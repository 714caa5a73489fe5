from django.urls import include, path
from shop.views import OrderList

urlpatterns = [
    path("token/", include("accounts.urls")),
    path("orders/", OrderList.as_view()),
]
