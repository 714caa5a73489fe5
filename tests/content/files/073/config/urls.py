from django.urls import path

from shop.views import ReserveView

urlpatterns = [path("products/<int:pk>/reserve/", ReserveView.as_view())]
