import os

os.environ["REDIS_URL"] = os.environ["EXAMPLE_REDIS_URL"]
