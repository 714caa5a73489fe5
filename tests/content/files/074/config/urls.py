from django.urls import path
from shop import views

urlpatterns = [
    path("orders/<str:name>/", views.order),
    path("invoices/", views.invoice),
]
