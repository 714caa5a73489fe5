from django.urls import include, path
from rest_framework.routers import SimpleRouter

from deliveries.api import DeliveryViewSet, TicketView

router = SimpleRouter()
router.register("deliveries", DeliveryViewSet, basename="delivery")

urlpatterns = [path("", include(router.urls)), path("ws-ticket/", TicketView.as_view())]
