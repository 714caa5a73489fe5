from django.urls import path

from ratings.views import RatingView

urlpatterns = [path("ratings/<slug:company>/", RatingView.as_view())]
