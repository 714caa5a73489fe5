from django.urls import include, path
from ledger.api import EntryList
from reports.api import ReportJobViewSet
from rest_framework.routers import SimpleRouter

router = SimpleRouter()
router.register("report-jobs", ReportJobViewSet, basename="reportjob")

urlpatterns = [
    path("api/entries/", EntryList.as_view()),
    path("api/", include(router.urls)),
]
