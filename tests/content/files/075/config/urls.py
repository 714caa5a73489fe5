from django.urls import path
from shop import views

urlpatterns = [
    path("api/orders/<int:pk>/", views.order),
    path("api/export/", views.export),
    path("health/", views.health),
]
