from accounts.tokens import RenewView, SignInView
from django.urls import path
from rest_framework_simplejwt.views import TokenBlacklistView
from shop.views import OrderList

urlpatterns = [
    path("token/", SignInView.as_view()),
    path("token/refresh/", RenewView.as_view()),
    path("token/blacklist/", TokenBlacklistView.as_view()),
    path("orders/", OrderList.as_view()),
]
