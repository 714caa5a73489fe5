from django.urls import include, path
from rest_framework.routers import SimpleRouter

from accounts.views import AccountViewSet

router = SimpleRouter()
router.register("accounts", AccountViewSet)

urlpatterns = [path("", include(router.urls)), path("v1/", include((router.urls, "v1")))]
