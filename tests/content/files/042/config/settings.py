INSTALLED_APPS += ["rest_framework", "rest_framework.authtoken", "drf_spectacular"]
