from clinic.views import PatientViewSet
from django.urls import include, path
from rest_framework.routers import DefaultRouter

router = DefaultRouter()
router.register("patients", PatientViewSet)
urlpatterns = [path("", include(router.urls))]
