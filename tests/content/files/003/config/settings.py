INSTALLED_APPS += ["rest_framework", "django_filters", "drf_spectacular"]
MIDDLEWARE += ["accounts.middleware.V1SunsetMiddleware"]
REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
