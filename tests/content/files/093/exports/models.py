from django.db import models


class Export(models.Model):
    name = models.CharField(max_length=50)
