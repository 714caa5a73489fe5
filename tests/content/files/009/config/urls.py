from django.urls import path

from catalog.public import TaxTableView
from catalog.views import PriceListView

urlpatterns = [
    path("prices/", PriceListView.as_view()),
    path("tax-table/", TaxTableView.as_view()),
]
