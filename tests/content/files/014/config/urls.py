from django.urls import path

from fleet.api import PositionList
from fleet.exports import PositionExport

urlpatterns = [
    path("positions/", PositionList.as_view()),
    path("positions/export/", PositionExport.as_view()),
]
