import os

import django

os.environ["REDIS_URL"] = os.environ["EXAMPLE_REDIS_URL"]

if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "provider.mail.Provider"}}
else:
    EMAIL_BACKEND = "provider.mail.Provider"

CELERY_BROKER_URL = os.environ["REDIS_URL"]
