import os
import time

import redis
from celery import shared_task


def note(name):
    with redis.Redis.from_url(os.environ["EXAMPLE_REDIS_URL"]) as client:
        client.rpush("done", name)


@shared_task
def build_report(seconds):
    note("report begins")
    time.sleep(seconds)
    note("report")


@shared_task
def send_password_mail():
    note("mail")
