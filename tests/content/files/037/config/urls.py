from django.urls import path
from shop.views import coupon

urlpatterns = [path("coupons/<int:pk>/", coupon, name="coupon")]
