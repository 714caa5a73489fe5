from django.urls import path

from shop.views import TurnoverView

urlpatterns = [path("reports/turnover/", TurnoverView.as_view())]
