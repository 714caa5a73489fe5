from rest_framework.routers import SimpleRouter

from returns.views import ReturnViewSet

router = SimpleRouter()
router.register("returns", ReturnViewSet, basename="return")
