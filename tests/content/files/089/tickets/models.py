from django.db import models


class Ticket(models.Model):
    class State(models.TextChoices):
        OPEN = "open"
        SOLVED = "solved"

    subject = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    internal_note = models.TextField(blank=True)
