from pricing.quotes import QuoteSerializer, current_quote
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.response import Response


class CurrentQuoteSerializer(QuoteSerializer):
    stale = serializers.BooleanField()


@api_view(["GET"])
def quote(request, sku):
    return Response(CurrentQuoteSerializer(current_quote(sku)).data)
