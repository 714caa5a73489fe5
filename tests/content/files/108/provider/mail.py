"""The provider of the mails: it notes when each arrives, and says what it is told to say."""

import os
from smtplib import SMTPResponseException

import redis
from django.core.mail.backends.base import BaseEmailBackend


class Provider(BaseEmailBackend):
    def send_messages(self, messages):
        with redis.Redis.from_url(os.environ["EXAMPLE_REDIS_URL"]) as notes:
            if code := notes.getdel("provider says"):
                raise SMTPResponseException(int(code), b"told to")
            for _ in messages:
                seconds, microseconds = notes.time()
                notes.rpush("arrived", seconds + microseconds / 1e6)
        return len(messages)
