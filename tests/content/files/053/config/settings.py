import os

REDIS_URL = os.environ["EXAMPLE_REDIS_URL"]
