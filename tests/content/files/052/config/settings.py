import os

INSTALLED_APPS += ["rest_framework"]

PRICING_URL = "http://pricing.internal.example"
STOCK_URL = "http://stock.internal.example"
REDIS_URL = os.environ["EXAMPLE_REDIS_URL"]
