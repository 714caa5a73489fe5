"""A service behind the gateway that tells what it makes of a request."""

import os

from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView


class WhoAmI(APIView):
    """Identity from the verified token."""

    def get(self, request):
        return Response(
            {
                "user": request.user.id,
                "client": AnonRateThrottle().get_ident(request),
                "next": request.build_absolute_uri("?page=2"),
                "secure": request.is_secure(),
            }
        )


class Naive(APIView):
    """Identity from a header, as if only the gateway could have sent it."""

    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"user": request.headers.get("X-User-Id")})


class Version(APIView):
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"version": os.environ["VERSION"]})
