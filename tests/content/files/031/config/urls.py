from django.urls import include, path
from rest_framework_simplejwt.views import TokenObtainPairView

from returns.urls import router

urlpatterns = [path("token/", TokenObtainPairView.as_view()), path("", include(router.urls))]
