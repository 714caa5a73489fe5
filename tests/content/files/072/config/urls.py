from django.urls import path
from shop import views

from config.metrics import metrics

urlpatterns = [
    path("orders/<int:pk>/", views.order),
    path("broken/", views.broken),
    path("metrics", metrics),
]
