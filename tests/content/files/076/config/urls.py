from django.urls import path
from shop.views import CheckoutView

urlpatterns = [path("checkout/", CheckoutView.as_view())]
