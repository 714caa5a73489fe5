INSTALLED_APPS += ["rest_framework"]
USE_TZ = True
