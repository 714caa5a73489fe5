from django.urls import include, path
from rest_framework.routers import SimpleRouter

from shop.versions import VersionedOrderViewSet
from shop.views import OrderViewSet

plain, versioned = SimpleRouter(), SimpleRouter()
plain.register("orders", OrderViewSet)
versioned.register("orders", VersionedOrderViewSet)

urlpatterns = [path("", include(plain.urls)), path("versioned/", include(versioned.urls))]
