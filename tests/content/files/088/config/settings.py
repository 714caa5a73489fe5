import os

INSTALLED_APPS += ["rest_framework", "rest_framework.authtoken"]
os.environ.setdefault("REDIS_URL", os.environ["EXAMPLE_REDIS_URL"])
