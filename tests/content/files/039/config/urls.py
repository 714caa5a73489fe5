from django.urls import path

from orders.views import CancelView

urlpatterns = [path("orders/<int:pk>/cancel/", CancelView.as_view())]
