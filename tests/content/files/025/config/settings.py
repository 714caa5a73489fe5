import os
import socket

# What the server sets in production. The tests run an OpenID provider of their own at this address.
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    os.environ.setdefault("OIDC_ISSUER", f"http://127.0.0.1:{probe.getsockname()[1]}")
os.environ.setdefault("OIDC_CLIENT_ID", "our-api")
os.environ.setdefault("OIDC_CLIENT_SECRET", "change-me")
os.environ.setdefault("OIDC_REDIRECT_URI", "http://testserver/sso/callback/")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
