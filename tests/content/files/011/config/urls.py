from django.urls import path

from jobs.api import JobList

urlpatterns = [path("jobs/", JobList.as_view())]
