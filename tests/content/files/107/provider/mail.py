"""The provider of the mails: it answers with the code in Redis, as long as there is one."""

import os
from smtplib import SMTPRecipientsRefused, SMTPResponseException

import redis
from django.core.mail.backends.base import BaseEmailBackend


class Provider(BaseEmailBackend):
    def send_messages(self, messages):
        with redis.Redis.from_url(os.environ["EXAMPLE_REDIS_URL"]) as notes:
            notes.incr("asked")
            if code := notes.get("provider says"):
                raise SMTPResponseException(int(code), b"told to")
            if code := notes.get("provider refuses"):
                raise SMTPRecipientsRefused({"ann@example.com": (int(code), b"told to")})
        return len(messages)
