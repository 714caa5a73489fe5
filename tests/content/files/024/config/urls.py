from django.contrib import admin
from django.urls import include, path
from rest_framework.routers import SimpleRouter

from people.views import PersonViewSet

router = SimpleRouter()
router.register("people", PersonViewSet)

urlpatterns = [path("admin/", admin.site.urls), path("", include(router.urls))]
