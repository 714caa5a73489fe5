from django.urls import include, path

from config.urls import router

urlpatterns = [path("api/", include(router.urls))]
