from rest_framework import viewsets

from parcels.models import Parcel
from parcels.serializers import ParcelSerializer


class ParcelViewSet(viewsets.ModelViewSet):
    queryset = Parcel.objects.order_by("pk")
    serializer_class = ParcelSerializer
