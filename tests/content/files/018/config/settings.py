import os

# What the server sets in production.
os.environ.setdefault("REDIS_URL", os.environ["EXAMPLE_REDIS_URL"])
# Only so that thousands of wrong passwords are checked in seconds.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
