from django.urls import path

from ops.views import live, ready
from shop.views import Limited, slow, who

urlpatterns = [
    path("livez", live),
    path("readyz", ready),
    path("slow/", slow),
    path("who/", who),
    path("limited/", Limited.as_view()),
]
