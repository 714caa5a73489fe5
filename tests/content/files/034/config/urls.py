from django.urls import path
from shop.views import ship

urlpatterns = [path("orders/<str:reference>/ship/", ship)]
