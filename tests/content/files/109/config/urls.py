from django.urls import path

from monitor.views import queue_health

urlpatterns = [path("health/queues/", queue_health)]
