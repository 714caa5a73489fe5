from django.db import models


class Book(models.Model):
    class Binding(models.TextChoices):
        HARD = "hard"
        SOFT = "soft"

    title = models.CharField(max_length=200)
    author = models.CharField(max_length=200)
    binding = models.CharField(max_length=4, choices=Binding)
