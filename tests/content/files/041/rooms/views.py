from rest_framework import permissions, serializers, viewsets

from rooms.models import Room


class RoomSerializer(serializers.ModelSerializer):
    class Meta:
        model = Room
        fields = ["id", "name", "seats"]


class RoomViewSet(viewsets.ModelViewSet):
    queryset = Room.objects.order_by("pk")
    serializer_class = RoomSerializer
    permission_classes = [permissions.IsAuthenticated]
