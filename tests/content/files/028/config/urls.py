from django.urls import path
from pricing.views import quote

urlpatterns = [path("quotes/<str:sku>/", quote)]
