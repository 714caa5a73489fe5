from django.urls import include, path
from rest_framework.routers import SimpleRouter
from shop.v2 import OrderV2ViewSet
from shop.views import OrderViewSet

v1, v2 = SimpleRouter(), SimpleRouter()
v1.register("orders", OrderViewSet, basename="order")
v2.register("orders", OrderV2ViewSet, basename="order-v2")

urlpatterns = [path("api/v1/", include(v1.urls)), path("api/v2/", include(v2.urls))]
