from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from quotes.views import QuoteView

urlpatterns = [
    path("quotes/", QuoteView.as_view()),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view()),
]
