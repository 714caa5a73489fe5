import os

INSTALLED_APPS += ["rest_framework"]

# What the deployment gives the process.
os.environ.setdefault("REDIS_URL", os.environ["EXAMPLE_REDIS_URL"])

CELERY_BROKER_URL = "memory://"
# Tasks run where they are sent, instead of in another process.
CELERY_TASK_ALWAYS_EAGER = True
