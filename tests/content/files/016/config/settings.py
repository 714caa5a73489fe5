import os

# What the server sets in production.
os.environ.setdefault("JWT_SIGNING_KEY", "change-me: another key than SECRET_KEY, of at least 32 bytes")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
