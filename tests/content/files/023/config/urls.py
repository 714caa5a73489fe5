from django.urls import include, path
from rest_framework.routers import SimpleRouter

from market.sellers import SellerListing
from market.views import ListingViewSet

router = SimpleRouter()
router.register("listings", ListingViewSet, basename="listing")

urlpatterns = [
    path("", include(router.urls)),
    path("sellers/<str:username>/<slug:slug>/", SellerListing.as_view()),
]
