from django.urls import include, path
from rest_framework.routers import SimpleRouter

from tickets.views import TicketViewSet

router = SimpleRouter()
router.register("tickets", TicketViewSet)

urlpatterns = [path("api/", include(router.urls))]
