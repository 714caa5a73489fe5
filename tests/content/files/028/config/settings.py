INSTALLED_APPS += ["rest_framework"]
VENDOR_URL = "https://vendor.example"
