from django.urls import path
from privacy.views import EraseMe

urlpatterns = [path("me/erasure/", EraseMe.as_view())]
