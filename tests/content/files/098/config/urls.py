from django.urls import path
from shop.views import BrokenView, OrderView

urlpatterns = [
    path("orders/<int:pk>/", OrderView.as_view()),
    path("broken/", BrokenView.as_view()),
]
