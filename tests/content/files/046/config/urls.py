from django.urls import include, path
from rest_framework.routers import SimpleRouter

from parcels.views import ParcelViewSet

router = SimpleRouter()
router.register("parcels", ParcelViewSet)

internal = SimpleRouter()
internal.register("scanners", ParcelViewSet, basename="scanner")

urlpatterns = [
    path("api/", include(router.urls)),
    path("internal/", include(internal.urls)),
]
