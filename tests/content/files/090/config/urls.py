from django.urls import include, path
from rest_framework.routers import SimpleRouter

from crm.views import CustomerViewSet

router = SimpleRouter()
router.register("customers", CustomerViewSet)

urlpatterns = [path("", include(router.urls))]
