INSTALLED_APPS += ["rest_framework"]

AGENCY_URL = "https://agency.example"

CELERY_BROKER_URL = "memory://"
