# ruff: noqa: F821
INSTALLED_APPS += ["rest_framework"]
