INSTALLED_APPS += ["rest_framework"]  # noqa: F821 - appended to what startproject gives
VENDOR_URL = "https://vendor.example"
