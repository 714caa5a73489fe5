"""Scenario 82: sockets against the whole ASGI application, over the in-memory layer and over Redis."""

import base64
import http.client
import inspect
import socket as socketlib
import subprocess
import sys
import time
from contextlib import closing
from functools import partial

import django
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from channels.layers import InMemoryChannelLayer, get_channel_layer
from channels.security.websocket import OriginValidator
from channels.testing import WebsocketCommunicator
from config.asgi import application, sockets
from deliveries import tickets
from deliveries.models import Delivery
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from rest_framework.test import APIClient

NEEDS = ("redis",)

pytestmark = pytest.mark.django_db(transaction=True)

REDIS = "channels_redis.core.RedisChannelLayer"
HOME = "https://api.example.com"


@pytest.fixture(params=["memory", "redis"])
def layer(request, settings):
    """The layer of the answer's settings, and the one of a test run."""
    assert settings.CHANNEL_LAYERS["default"]["BACKEND"] == REDIS
    if request.param == "memory":
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.fixture
def people():
    return {name: get_user_model().objects.create_user(name) for name in ("ann", "carl", "eve")}


@pytest.fixture
def delivery(people):
    return Delivery.objects.create(recipient=people["ann"], courier=people["carl"])


def socket(delivery, ticket, origin=HOME, app=application):
    headers = [(b"origin", origin.encode())] if origin else []
    return WebsocketCommunicator(app, f"/ws/deliveries/{delivery.pk}/?ticket={ticket}", headers=headers)


def patch(user, delivery, **data):
    client = APIClient()
    client.force_authenticate(user)
    return client.patch(f"/deliveries/{delivery.pk}/", data)


def opens(delivery, ticket, origin=HOME, app=application):
    async def attempt():
        communicator = socket(delivery, ticket, origin, app)
        connected, _ = await communicator.connect(timeout=5)
        await communicator.disconnect()
        return connected

    return async_to_sync(attempt)()


@pytest.mark.usefixtures("layer")
def test_a_change_by_the_courier_reaches_the_recipient(people, delivery):
    async def story():
        ann = socket(delivery, await sync_to_async(tickets.issue)(people["ann"]))
        assert (await ann.connect(timeout=5))[0]
        assert await ann.receive_json_from(5) == {"id": delivery.pk, "status": "packed"}
        response = await sync_to_async(patch)(people["carl"], delivery, status="on its way")
        assert response.status_code == 200
        assert await ann.receive_json_from(5) == {"id": delivery.pk, "status": "on its way"}
        await ann.disconnect()

    async_to_sync(story)()


def test_the_event_waits_for_the_commit_and_a_rollback_sends_none(people, delivery, settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

    def change(waiting, status, fail):
        with transaction.atomic():
            patch(people["carl"], delivery, status=status)
            assert waiting() == 0
            if fail:
                transaction.set_rollback(True)

    async def story():
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(f"delivery-{delivery.pk}", channel)

        def waiting():
            return layer.channels[channel].qsize() if channel in layer.channels else 0

        await sync_to_async(change)(waiting, "lost", fail=True)
        assert waiting() == 0
        await sync_to_async(change)(waiting, "handed over", fail=False)
        assert waiting() == 1

    async_to_sync(story)()


@pytest.mark.usefixtures("layer")
def test_a_user_who_lost_the_right_gets_no_event_and_the_socket_closes(people, delivery):
    async def story():
        ann = socket(delivery, await sync_to_async(tickets.issue)(people["ann"]))
        await ann.connect(timeout=5)
        await ann.receive_json_from(5)
        await get_user_model().objects.filter(username="ann").aupdate(is_active=False)
        await sync_to_async(patch)(people["carl"], delivery, status="on its way")
        assert await ann.receive_output(5) == {"type": "websocket.close", "code": 4403}
        await ann.disconnect()

    async_to_sync(story)()


class TestTheHandshake:
    @pytest.mark.parametrize("origin", ["https://evil.example", "https://api.example.com.evil.example", None])
    def test_a_foreign_or_missing_origin_is_refused(self, people, delivery, origin):
        assert not opens(delivery, tickets.issue(people["ann"]), origin)

    def test_a_star_lets_every_origin_in(self, people, delivery):
        wide_open = OriginValidator(application.application_mapping["websocket"].application, ["*"])
        assert opens(delivery, tickets.issue(people["ann"]), "https://evil.example", wide_open)

    def test_another_host_can_be_named(self, people, delivery):
        named = OriginValidator(
            application.application_mapping["websocket"].application, ["https://app.example.com"]
        )
        assert opens(delivery, tickets.issue(people["ann"]), "https://app.example.com", named)
        assert not opens(delivery, tickets.issue(people["ann"]), HOME, named)

    def test_a_ticket_works_once(self, people, delivery):
        ticket = tickets.issue(people["ann"])
        assert opens(delivery, ticket)
        assert not opens(delivery, ticket)

    def test_it_expires_after_half_a_minute(self, people):
        key = f"ws-ticket:{tickets.issue(people['ann'])}"
        client = cache._cache.get_client()
        assert 0 < client.ttl(cache.make_key(key)) <= 30

    def test_a_stranger_and_a_made_up_ticket_are_refused(self, people, delivery):
        assert not opens(delivery, tickets.issue(people["eve"]))
        assert not opens(delivery, "made-up")

    def test_only_a_logged_in_user_gets_a_ticket(self, people, delivery):
        assert APIClient().post("/ws-ticket/").status_code in (401, 403)
        client = APIClient()
        client.force_authenticate(people["ann"])
        assert opens(delivery, client.post("/ws-ticket/").json()["ticket"])


class TestARealServer:
    """What the browser and the curl of the answer see: the status of the handshake by daphne."""

    @pytest.fixture
    def port(self, tmp_path):
        with socketlib.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "daphne",
            "-b",
            "127.0.0.1",
            "-p",
            str(port),
            "config.asgi:application",
        ]
        with (
            (tmp_path / "log").open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as server,
        ):
            try:
                deadline = time.monotonic() + 30
                while time.monotonic() < deadline and server.poll() is None:
                    try:
                        socketlib.create_connection(("127.0.0.1", port), 1).close()
                    except OSError:
                        time.sleep(0.1)
                    else:
                        break
                yield port
            finally:
                server.terminate()

    def test_a_refused_handshake_is_a_403(self, port):
        for origin in ("https://evil.example", HOME):  # the second without a ticket
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
                upgrade = {
                    "Host": "api.example.com",
                    "Origin": origin,
                    "Connection": "Upgrade",
                    "Upgrade": "websocket",
                    "Sec-WebSocket-Version": "13",
                    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
                }
                connection.request("GET", "/ws/deliveries/7/?ticket=made-up", headers=upgrade)
                assert connection.getresponse().status == 403


class TestTheRest:
    def test_an_unreachable_redis_does_not_fail_a_saved_change(self, people, delivery, settings):
        settings.CHANNEL_LAYERS = {
            "default": {"BACKEND": REDIS, "CONFIG": {"hosts": ["redis://127.0.0.1:1"]}}
        }
        assert patch(people["carl"], delivery, status="on its way").status_code == 200
        delivery.refresh_from_db()
        assert delivery.status == "on its way"

    def test_a_partial_is_no_robust_callback_on_django_5_2(self):
        def fail():
            raise ConnectionError

        if django.VERSION < (6, 0):
            with pytest.raises(AttributeError, match="__qualname__"):
                transaction.on_commit(partial(fail), robust=True)
        transaction.on_commit(lambda: fail(), robust=True)

    def test_group_send_alone_is_a_coroutine_that_sends_nothing(self):
        coroutine = get_channel_layer().group_send("delivery-1", {"type": "delivery.changed"})
        assert inspect.iscoroutine(coroutine)
        coroutine.close()

    def test_a_sync_query_in_async_code_is_refused(self):
        async def naive():
            return Delivery.objects.first()

        with pytest.raises(SynchronousOnlyOperation):
            async_to_sync(naive)()

    def test_the_layer_in_memory_is_not_shared(self):
        one, other = InMemoryChannelLayer(), InMemoryChannelLayer()

        async def story():
            channel = await one.new_channel()
            await one.group_add("news", channel)
            await other.group_send("news", {"type": "x"})
            assert channel not in one.channels
            await one.group_send("news", {"type": "x"})
            assert one.channels[channel].qsize() == 1

        async_to_sync(story)()

    def test_the_sockets_are_routed_beside_the_rest_urls(self):
        assert set(application.application_mapping) == {"http", "websocket"}
        assert [str(route.pattern) for route in sockets.routes] == ["ws/deliveries/<int:pk>/"]
