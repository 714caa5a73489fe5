INSTALLED_APPS += ["rest_framework"]

CELERY_BROKER_URL = "memory://"
