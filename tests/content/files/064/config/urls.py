from django.urls import include, path
from rest_framework.routers import SimpleRouter

from shop.views import CategoryViewSet

router = SimpleRouter()
router.register("categories", CategoryViewSet)

urlpatterns = [path("", include(router.urls))]
