from django.urls import path

from inspections.views import SyncView

urlpatterns = [path("sync/", SyncView.as_view())]
