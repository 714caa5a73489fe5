import os

# What the server sets in production.
os.environ.setdefault("JWT_SIGNING_KEY", "change-me: another key than SECRET_KEY, of at least 32 bytes")
INSTALLED_APPS += ["rest_framework", "rest_framework_simplejwt.token_blacklist"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
