from django.urls import include, path
from shop import views

urlpatterns = [
    path("sign-up/", views.SignUpView.as_view()),
    path("", include("shop.urls")),
]
