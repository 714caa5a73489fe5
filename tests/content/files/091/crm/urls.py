from crm.views import InvoiceViewSet, ProjectViewSet
from rest_framework.routers import SimpleRouter

router = SimpleRouter()
router.register("projects", ProjectViewSet, basename="project")
router.register("invoices", InvoiceViewSet, basename="invoice")
