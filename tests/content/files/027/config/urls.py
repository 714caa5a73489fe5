from booking.views import BookingViewSet
from rest_framework.routers import SimpleRouter

router = SimpleRouter()
router.register("bookings", BookingViewSet)

urlpatterns = router.urls
