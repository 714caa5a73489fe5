from django.urls import include, path
from rest_framework.routers import SimpleRouter

from imports.api import UploadViewSet

router = SimpleRouter()
router.register("uploads", UploadViewSet, basename="upload")

urlpatterns = [path("", include(router.urls))]
