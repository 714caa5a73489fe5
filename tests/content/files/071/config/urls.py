from django.urls import path
from shop.views import ProtectedHealth, naive_health, naive_liveness

urlpatterns = [
    path("health/", naive_health),
    path("naive-livez/", naive_liveness),
    path("drf-health/", ProtectedHealth.as_view()),
]
