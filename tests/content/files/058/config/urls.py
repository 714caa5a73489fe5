from django.urls import path

from stock.views import ReservationView

urlpatterns = [path("reservations/<uuid:key>/", ReservationView.as_view())]
