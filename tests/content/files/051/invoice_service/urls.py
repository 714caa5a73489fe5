from django.urls import path

from invoice_service.views import InvoiceList

urlpatterns = [path("api/invoices/", InvoiceList.as_view())]
