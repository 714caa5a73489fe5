import os

# The services that the tests start are given a real one.
os.environ.setdefault("TOKEN_PUBLIC_KEY", "")
