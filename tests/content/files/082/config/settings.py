import os

INSTALLED_APPS += ["rest_framework"]
ALLOWED_HOSTS = ["api.example.com"]

os.environ.setdefault("REDIS_URL", os.environ["EXAMPLE_REDIS_URL"])
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": os.environ["REDIS_URL"]}
}
