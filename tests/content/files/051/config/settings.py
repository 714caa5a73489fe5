# What the deployment has in its environment.
import os

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if "TOKEN_PRIVATE_KEY" not in os.environ:
    _key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    os.environ["TOKEN_PRIVATE_KEY"] = _key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    os.environ["TOKEN_PUBLIC_KEY"] = (
        _key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )

# Hashing passwords slowly is not what this example is about.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
