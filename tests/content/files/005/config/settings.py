INSTALLED_APPS += ["rest_framework"]  # noqa: F821 - appended to what startproject gives

REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"]}
