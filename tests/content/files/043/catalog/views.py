from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models import Book


class BookV1Serializer(serializers.ModelSerializer):
    class Meta:
        model = Book
        fields = ["id", "title", "author"]


class BookV2Serializer(serializers.ModelSerializer):
    class Meta:
        model = Book
        fields = ["id", "title", "author", "binding"]


class BookV1ViewSet(viewsets.ModelViewSet):
    queryset = Book.objects.order_by("pk")
    serializer_class = BookV1Serializer


class BookV2ViewSet(viewsets.ModelViewSet):
    queryset = Book.objects.order_by("pk")
    serializer_class = BookV2Serializer


class HealthView(APIView):
    versioning_class = None

    @extend_schema(responses={204: None})
    def get(self, request):
        return Response(status=204)
