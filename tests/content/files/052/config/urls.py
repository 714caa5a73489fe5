from django.urls import path

from shop.views import QuoteView

urlpatterns = [path("quotes/<slug:sku>/", QuoteView.as_view())]
