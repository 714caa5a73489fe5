from django.http import HttpResponse
from django.urls import path

from shop.views import Broken, Checkout, Stock

urlpatterns = [
    path("checkout/<str:sku>/", Checkout.as_view()),
    path("stock/<str:sku>/", Stock.as_view()),
    path("broken/", Broken.as_view()),
    path("healthz/", lambda request: HttpResponse("ok")),
]
