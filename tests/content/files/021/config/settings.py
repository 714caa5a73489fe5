INSTALLED_APPS += ["rest_framework"]

MAILING_URL = "https://mailing.example"

CELERY_BROKER_URL = "memory://"
# Tasks run where they are sent, instead of in another process.
CELERY_TASK_ALWAYS_EAGER = True

# Tests log in; the hashers of production take their time on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
