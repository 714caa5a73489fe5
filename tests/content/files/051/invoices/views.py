from rest_framework import generics, serializers

from invoices.models import Invoice


class OrderFilter(serializers.Serializer):
    order = serializers.IntegerField()


class InvoiceSerializer(serializers.ModelSerializer):
    class Meta:
        model = Invoice
        fields = ["number", "total"]


class InvoiceList(generics.ListAPIView):
    serializer_class = InvoiceSerializer

    def get_queryset(self):
        wanted = OrderFilter(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        return Invoice.objects.filter(
            order__customer=self.request.user, order=wanted.validated_data["order"]
        ).order_by("number")
