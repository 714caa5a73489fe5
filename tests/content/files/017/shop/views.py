from partners.permissions import HasPartnerKey
from rest_framework.response import Response
from rest_framework.views import APIView


class OrderList(APIView):
    permission_classes = [HasPartnerKey]

    def get(self, request):
        return Response([])
