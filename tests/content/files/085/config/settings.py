import django

# Django 6.1 warns when mail is sent without it; Django 5.2 does not know it.
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
