import os

INSTALLED_APPS += ["rest_framework"]

# What the deployment gives the process.
os.environ.setdefault("REDIS_URL", os.environ["EXAMPLE_REDIS_URL"])
