from django.urls import path

from reports.views import RevenueView

urlpatterns = [
    path("revenue/<int:year>/", RevenueView.as_view()),
]
