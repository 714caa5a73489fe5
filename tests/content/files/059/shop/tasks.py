import logging

from celery import shared_task

logger = logging.getLogger(__name__)


@shared_task
def send_receipt(sku):
    logger.info("receipt for %s", sku)
