import os

INSTALLED_APPS += ["rest_framework"]
ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
DEBUG = False
STOCK_URL = os.environ.get("STOCK_URL", "")
CELERY_BROKER_URL = os.environ["EXAMPLE_REDIS_URL"]
