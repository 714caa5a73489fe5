from rest_framework.routers import SimpleRouter

from rooms.views import RoomViewSet

router = SimpleRouter()
router.register("rooms", RoomViewSet)

urlpatterns = router.urls
