INSTALLED_APPS += ["rest_framework"]
PAYMENT_URL = "http://payment.invalid/charge/"
