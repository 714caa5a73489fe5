INSTALLED_APPS += ["rest_framework", "django_filters", "django.contrib.postgres"]
