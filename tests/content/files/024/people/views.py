from rest_framework import viewsets

from people.models import Person
from people.serializers import PersonSerializer


class PersonViewSet(viewsets.ModelViewSet):
    queryset = Person.objects.order_by("pk")
    serializer_class = PersonSerializer
