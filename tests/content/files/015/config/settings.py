INSTALLED_APPS += ["rest_framework"]

REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"]}

# Where the other services are.
UPSTREAMS = {
    "orders": "https://orders.internal.example",
    "tickets": "https://tickets.partner.example",
    "rates": "https://rates.bank.example",
}

CELERY_BROKER_URL = "memory://"
