import os

import django

INSTALLED_APPS += ["rest_framework"]
os.environ["REDIS_URL"] = os.environ["EXAMPLE_REDIS_URL"]

if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.dummy.EmailBackend"}}
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
