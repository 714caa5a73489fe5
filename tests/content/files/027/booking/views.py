from booking.models import Booking
from booking.serializers import BookingSerializer
from rest_framework.viewsets import ModelViewSet


class BookingViewSet(ModelViewSet):
    queryset = Booking.objects.all()
    serializer_class = BookingSerializer
