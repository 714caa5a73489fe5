from django.urls import path
from shop.views import RefundView

urlpatterns = [path("orders/<int:pk>/refund/", RefundView.as_view())]
