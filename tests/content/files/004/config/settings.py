INSTALLED_APPS += ["rest_framework"]

CELERY_BROKER_URL = "memory://"
# Tasks run where they are sent, instead of in another process.
CELERY_TASK_ALWAYS_EAGER = True

# The apps of an example have no migrations, and PostgreSQL wants the users' table before their foreign keys.
MIGRATION_MODULES = dict.fromkeys(("admin", "auth", "contenttypes", "sessions"))
