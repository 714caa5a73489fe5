from customers.views import CustomerViewSet
from django.urls import include, path
from rest_framework.routers import SimpleRouter

router = SimpleRouter()
router.register("customers", CustomerViewSet)

urlpatterns = [path("<version>/", include(router.urls))]
