from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.permissions import IsAdminUser
from rest_framework.response import Response

from returns.models import Return
from returns.serializers import ReturnSerializer


class AlreadyApproved(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = "This return is approved already."


class ReturnViewSet(viewsets.ModelViewSet):
    serializer_class = ReturnSerializer
    http_method_names = ["get", "post", "patch", "delete"]

    def get_queryset(self):
        returns = Return.objects.select_related("order__customer").order_by("pk")
        if self.request.user.is_staff:
            return returns
        return returns.filter(order__customer=self.request.user)

    def get_open_return(self):
        found = self.get_object()
        if found.status == Return.Status.APPROVED:
            raise AlreadyApproved
        return found

    def perform_update(self, serializer):
        self.get_open_return()
        serializer.save()

    def perform_destroy(self, instance):
        self.get_open_return().delete()

    @action(detail=True, methods=["post"], permission_classes=[IsAdminUser])
    def approve(self, request, pk=None):
        approved = self.get_open_return()
        approved.status = Return.Status.APPROVED
        approved.save(update_fields=["status"])
        return Response(self.get_serializer(approved).data)
