from rest_framework import serializers

from parcels.models import Parcel


class ParcelSerializer(serializers.ModelSerializer):
    class Meta:
        model = Parcel
        fields = ["number", "weight_g"]
