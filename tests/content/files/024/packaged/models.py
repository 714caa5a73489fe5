from django.db import models
from encrypted_fields.fields import EncryptedTextField


class Citizen(models.Model):
    """The same column with the field of django-fernet-encrypted-fields."""

    ssn = EncryptedTextField(null=True)
