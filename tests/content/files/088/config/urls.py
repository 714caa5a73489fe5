from django.urls import path

from school.views import GradesView, ReportView

urlpatterns = [path("grades/", GradesView.as_view()), path("reports/", ReportView.as_view())]
