from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission

from catalog.models import Tenant


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request):
        key = request.headers.get("X-Api-Key", "")
        tenant = Tenant.objects.filter(api_key=key, active=True).first() if key else None
        return (AnonymousUser(), tenant) if tenant else None


class HasApiKey(BasePermission):
    def has_permission(self, request, view):
        return request.auth is not None
