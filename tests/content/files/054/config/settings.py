import os

# What the deployment has in its environment.
os.environ.setdefault("SECRET_KEY", "change-me: the same for every process of an example")
os.environ.setdefault("MEDIA_BUCKET", "shop-media")
os.environ["REDIS_URL"] = os.environ["EXAMPLE_REDIS_URL"]

INSTALLED_APPS += ["rest_framework"]
DEBUG = False
ALLOWED_HOSTS = ["api.example.com"]
STATIC_ROOT = BASE_DIR / "static"
