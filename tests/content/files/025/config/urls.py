from django.urls import include, path
from shop.views import MeView

urlpatterns = [
    path("sso/", include("sso.urls")),
    path("me/", MeView.as_view()),
]
