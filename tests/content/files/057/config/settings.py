# What the deployment has in its environment.
import os

os.environ.setdefault("DB_USER", DATABASES["default"]["USER"])
os.environ.setdefault("DB_PASSWORD", "change-me")

REDIS_URL = os.environ["EXAMPLE_REDIS_URL"]
