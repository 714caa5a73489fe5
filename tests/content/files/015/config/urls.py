from django.urls import path

from overview.async_views import async_overview
from overview.views import OverviewView

urlpatterns = [
    path("overview/", OverviewView.as_view()),
    path("async-overview/", async_overview),
]
