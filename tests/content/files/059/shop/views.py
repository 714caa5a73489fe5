"""The shop and the stock service of the example: one code base, run twice under two names."""

import logging

import requests
from django.conf import settings
from rest_framework.response import Response
from rest_framework.views import APIView

from shop.tasks import send_receipt

logger = logging.getLogger(__name__)


class Checkout(APIView):
    def get(self, request, sku):
        logger.info("checkout of %s", sku)
        stock = requests.get(f"{settings.STOCK_URL}/stock/{sku}/", timeout=(1, 5)).json()
        send_receipt.delay_on_commit(sku)
        return Response(stock)


class Stock(APIView):
    def get(self, request, sku):
        logger.info("asked for %s", sku)
        return Response({"sku": sku, "left": 3})


class Broken(APIView):
    def get(self, request):
        raise RuntimeError("the shelf fell down")
