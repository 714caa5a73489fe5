from django.urls import path

from orders.views import Naive, Version, WhoAmI

urlpatterns = [
    path("api/orders/me/", WhoAmI.as_view()),
    path("api/orders/naive/", Naive.as_view()),
    path("api/orders/version/", Version.as_view()),
]
