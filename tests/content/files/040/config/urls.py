from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView

from api.views import Me, Reports

urlpatterns = [
    path("token/", TokenObtainPairView.as_view()),
    path("me/", Me.as_view()),
    path("reports/", Reports.as_view()),
]
