from django.urls import path

from config.views import version

urlpatterns = [path("version/", version)]
