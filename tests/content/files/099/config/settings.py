# What the environment of the process holds in production; random, so that no key lies in the repository.
import os
import secrets

from cryptography.fernet import Fernet

os.environ.setdefault("DATA_KEYS", Fernet.generate_key().decode())
os.environ.setdefault("TRAIL_KEY", secrets.token_hex(32))

INSTALLED_APPS += ["rest_framework"]
