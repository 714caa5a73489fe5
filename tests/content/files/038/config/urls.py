from django.urls import path

from shop.views import InvoiceView

urlpatterns = [path("orders/<int:pk>/invoice/", InvoiceView.as_view())]
