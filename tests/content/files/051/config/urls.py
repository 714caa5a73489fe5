from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView

from invoices.views import InvoiceList
from orders.views import OrderDetail

urlpatterns = [
    path("token/", TokenObtainPairView.as_view()),
    path("api/invoices/", InvoiceList.as_view()),
    path("api/orders/<int:pk>/", OrderDetail.as_view()),
]
