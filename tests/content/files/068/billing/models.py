from clinic.models import Patient
from django.db import models


class Invoice(models.Model):
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT)

    class Meta:
        db_table = "clinic_invoice"
