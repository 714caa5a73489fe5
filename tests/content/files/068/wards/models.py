from django.db import models


class Unit(models.Model):
    name = models.CharField(max_length=40)

    class Meta:
        db_table = "wards_ward"


class Bed(models.Model):
    unit = models.ForeignKey(Unit, on_delete=models.CASCADE, db_column="ward_id")
