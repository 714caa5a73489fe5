from django.urls import include, path
from rest_framework.routers import SimpleRouter

from hr.views import EmployeeViewSet

router = SimpleRouter()
router.register("employees", EmployeeViewSet)

urlpatterns = [path("", include(router.urls))]
