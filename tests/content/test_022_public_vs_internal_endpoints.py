"""Scenario 22: strangers, customers and other services knock at an internal endpoint in every known way."""

import hmac
import ipaddress
import os
import subprocess
import sys
import time
from functools import partial

import jwt
import pytest
from billing.tokens import service_token
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.contrib.auth import get_user_model
from django.urls import include, path
from internal import tests as exposure
from internal.views import InternalAPIView
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView
from shop.models import Order

pytestmark = pytest.mark.django_db


def key_pair():
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@pytest.fixture
def keys(settings):
    """Private keys by caller; the service knows the public ones."""
    pairs = {name: key_pair() for name in ("billing", "search")}
    settings.INTERNAL_CALLER_KEYS = {name: public for name, (_, public) in pairs.items()}
    return {name: private for name, (private, _) in pairs.items()}


@pytest.fixture
def order():
    return Order.objects.create(number="A-1")


@pytest.fixture
def internal(settings):
    settings.ROOT_URLCONF = "config.urls_internal"


def call(order, token=None, client=None, **headers):
    if token:
        headers["authorization"] = f"Bearer {token}"
    return (client or APIClient()).post(f"/internal/orders/{order.pk}/settle/", headers=headers)


def signed(private_key, kid="billing", algorithm="EdDSA", **changes):
    now = int(time.time())
    claims = {"iss": kid, "aud": "shop-internal", "iat": now, "exp": now + 60, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, private_key, algorithm, headers={"kid": kid})


def serve(settings, view):
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("internal/x/", view.as_view())]})


def outcome(response, order):
    order.refresh_from_db()
    return response.status_code, order.settled


def test_keys_made_with_the_commands_of_the_answer_work(tmp_path, order, settings):
    run = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True, check=True)
    run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "billing.pem"])
    public = run(["openssl", "pkey", "-in", "billing.pem", "-pubout"]).stdout
    settings.ROOT_URLCONF = "config.urls_internal"
    settings.INTERNAL_CALLER_KEYS = {"billing": public}
    token = service_token((tmp_path / "billing.pem").read_text(), "shop-internal")
    assert outcome(call(order, token), order) == (204, True)


class TestThePublicDeployment:
    def test_does_not_have_the_internal_url_not_even_for_a_valid_token(self, order, keys):
        assert outcome(call(order, service_token(keys["billing"], "shop-internal")), order) == (404, False)

    def test_is_open_where_a_view_says_so_and_closed_elsewhere(self):
        assert APIClient().get("/api/orders/count/").status_code == 200
        assert APIClient().get("/api/me/").status_code == 403
        customer = APIClient()
        customer.force_login(get_user_model().objects.create_user("ada"))
        assert customer.get("/api/me/").json() == {"username": "ada"}

    def test_is_what_a_process_serves_that_sets_nothing(self):
        assert resolves({}) == ["public"]

    def test_is_not_what_a_process_with_the_other_urlconf_serves(self):
        assert resolves({"ROOT_URLCONF": "config.urls_internal"}) == ["internal"]


def resolves(environment):
    """Which of the two paths a fresh process with this environment resolves."""
    code = (
        "import django; django.setup()\n"
        "from django.urls import resolve, Resolver404\n"
        "for name, url in [('public', '/api/me/'), ('internal', '/internal/orders/1/settle/')]:\n"
        "    try: resolve(url); print(name)\n"
        "    except Resolver404: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.usefixtures("internal")
class TestTheInternalDeployment:
    def test_the_permitted_service_gets_in(self, order, keys):
        assert outcome(call(order, service_token(keys["billing"], "shop-internal")), order) == (204, True)

    def test_another_known_service_is_refused_by_name(self, order, keys):
        assert outcome(call(order, signed(keys["search"], kid="search")), order) == (403, False)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-internal": "1"},
            {"x-internal-token": ""},
            {"x-forwarded-for": "127.0.0.1"},
            {"x-forwarded-for": "10.0.0.5"},
            {"x-client-cert": "CN=billing", "x-ssl-client-verify": "SUCCESS"},
            {"authorization": "Bearer"},
            {"authorization": "Bearer "},
            {"authorization": "Bearer x.y.z"},
            {"authorization": "Bearer \xff"},
        ],
    )
    def test_no_header_that_anyone_can_send_opens_it(self, order, keys, headers):
        response = call(order, **headers)
        assert outcome(response, order) == (401, False)
        assert response.headers["WWW-Authenticate"] == "Bearer"

    def test_a_logged_in_administrator_is_a_stranger_too(self, order, keys):
        client = APIClient()
        client.force_login(get_user_model().objects.create_superuser("root"))
        assert outcome(call(order, client=client), order) == (401, False)

    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": "search-internal"},
            {"aud": None},
            {"iss": "search"},
            {"iss": None},
            {"exp": 1},
            {"exp": None},
            {"iat": None},
            {"iat": int(time.time()) + 600, "exp": int(time.time()) + 620},
            {"exp": int(time.time()) + 365 * 86400},
        ],
    )
    def test_a_token_with_one_wrong_claim_is_refused(self, order, keys, changes):
        assert outcome(call(order, signed(keys["billing"], **changes)), order) == (401, False)

    def test_a_token_signed_by_another_service_in_the_name_of_billing_is_refused(self, order, keys):
        assert outcome(call(order, signed(keys["search"])), order) == (401, False)

    def test_a_token_without_a_signature_is_refused(self, order, keys):
        assert outcome(call(order, signed(None, algorithm="none")), order) == (401, False)

    def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(self, order, keys, settings):
        # The confusion of algorithms of which RFC 8725 warns.
        header = {"alg": "HS256", "kid": "billing", "typ": "JWT"}
        now = int(time.time())
        claims = {"iss": "billing", "aud": "shop-internal", "iat": now, "exp": now + 60}
        parts = [
            jwt.utils.base64url_encode(repr(part).replace("'", '"').encode()) for part in (header, claims)
        ]
        public = settings.INTERNAL_CALLER_KEYS["billing"].encode()
        mac = jwt.utils.base64url_encode(hmac.digest(public, b".".join(parts), "sha256"))
        assert outcome(call(order, b".".join([*parts, mac]).decode()), order) == (401, False)

    def test_a_caller_whose_public_key_was_removed_is_out(self, order, keys, settings):
        token = service_token(keys["billing"], "shop-internal")
        del settings.INTERNAL_CALLER_KEYS["billing"]
        assert outcome(call(order, token), order) == (401, False)

    def test_nobody_is_permitted_on_a_view_that_names_nobody(self, keys, settings):
        class Forgotten(InternalAPIView):
            def post(self, request):
                raise AssertionError("must not be reached")

        serve(settings, Forgotten)
        token = service_token(keys["billing"], "shop-internal")
        response = APIClient().post("/internal/x/", headers={"authorization": f"Bearer {token}"})
        assert response.status_code == 403

    def test_a_throttle_per_user_works_on_services(self, keys, settings):
        class OncePerHour(UserRateThrottle):
            rate = "1/hour"

        class Throttled(InternalAPIView):
            permitted_callers = frozenset({"billing"})
            throttle_classes = (OncePerHour,)

            def post(self, request):
                return Response()

        serve(settings, Throttled)
        headers = {"authorization": f"Bearer {service_token(keys['billing'], 'shop-internal')}"}
        codes = [APIClient().post("/internal/x/", headers=headers).status_code for _ in range(2)]
        assert codes == [200, 429]


class Naive(APIView):
    """An internal view guarded by whatever `allows` believes."""

    authentication_classes = ()

    def get_permissions(self):
        return [
            type("Naive", (BasePermission,), {"has_permission": lambda _, request, view: view.allows()})()
        ]

    def get(self, request):
        return Response()


def answer_to(settings, view, **extra):
    serve(settings, view)
    return APIClient().get("/internal/x/", **extra).status_code


class TestMistakes:
    def test_a_known_header_is_sent_by_anyone(self, settings):
        class ByHeader(Naive):
            def allows(self):
                return self.request.headers.get("X-Internal") == "1"

        assert answer_to(settings, ByHeader) == 403
        assert answer_to(settings, ByHeader, headers={"x-internal": "1"}) == 200

    def test_the_first_forwarded_address_is_whatever_the_client_wrote(self, settings):
        class ByForwardedAddress(Naive):
            def allows(self):
                return self.request.headers.get("X-Forwarded-For", "").split(",")[0] == "127.0.0.1"

        # What a proxy makes of it: the client's own text, and the true address behind it.
        spoofed = {"x-forwarded-for": "127.0.0.1, 203.0.113.9"}
        assert answer_to(settings, ByForwardedAddress, headers=spoofed) == 200

    def test_the_remote_address_is_the_proxy_and_therefore_private(self, settings):
        class ByRemoteAddress(Naive):
            def allows(self):
                private = ipaddress.ip_network("10.0.0.0/8")
                return ipaddress.ip_address(self.request.META["REMOTE_ADDR"]) in private

        from_the_internet = {"headers": {"x-forwarded-for": "203.0.113.9"}, "REMOTE_ADDR": "10.0.0.2"}
        assert answer_to(settings, ByRemoteAddress, **from_the_internet) == 200

    def test_the_host_is_whatever_the_client_wrote(self, settings):
        settings.ALLOWED_HOSTS = ["api.example.com", "internal.example.com"]

        class ByHost(Naive):
            def allows(self):
                return self.request.get_host() == "internal.example.com"

        assert answer_to(settings, ByHost, headers={"host": "api.example.com"}) == 403
        assert answer_to(settings, ByHost, headers={"host": "internal.example.com"}) == 200

    def test_a_rule_on_the_raw_path_misses_an_encoded_one(self, order, keys, settings, live_server):
        import http.client

        settings.ROOT_URLCONF = "config.urls_internal"
        raw = f"/%69nternal/orders/{order.pk}/settle/"
        assert not raw.startswith("/internal/")
        connection = http.client.HTTPConnection(live_server.thread.host, live_server.thread.port)
        token = service_token(keys["billing"], "shop-internal")
        connection.request("POST", raw, headers={"Authorization": f"Bearer {token}"})
        assert connection.getresponse().status == 204
        connection.close()

    def test_a_static_token_that_was_never_set_lets_everybody_in(self, settings):
        class ByToken(Naive):
            def allows(self):
                sent = self.request.headers.get("X-Internal-Token", "")
                return hmac.compare_digest(sent, os.environ.get("A_TOKEN_NOBODY_SET", ""))

        assert answer_to(settings, ByToken) == 200

    def test_comparing_text_that_is_not_ascii_is_a_server_error_and_comparing_bytes_is_not(self, settings):
        class ByText(Naive):
            def allows(self):
                return hmac.compare_digest(self.request.headers["X-Internal-Token"], "change-me")

        class ByBytes(Naive):
            def allows(self):
                sent = self.request.headers["X-Internal-Token"].encode()
                return hmac.compare_digest(sent, b"change-me")

        with pytest.raises(TypeError, match="non-ASCII"):
            answer_to(settings, ByText, headers={"x-internal-token": "\xe9"})
        assert answer_to(settings, ByBytes, headers={"x-internal-token": "\xe9"}) == 403
        assert answer_to(settings, ByBytes, headers={"x-internal-token": "change-me"}) == 200

    def test_is_authenticated_admits_every_customer(self, settings):
        class ByLogin(APIView):
            permission_classes = (IsAuthenticated,)

            def get(self, request):
                return Response()

        serve(settings, ByLogin)
        customer = APIClient()
        customer.force_login(get_user_model().objects.create_user("ada"))
        assert customer.get("/internal/x/").status_code == 200


class TestTheWalkThroughTheUrls:
    def test_finds_nested_views_and_plain_functions(self):
        def plain(request):
            raise AssertionError("must not be called")

        nested = [path("a/", include([path("b/", plain), path("c/", InternalAPIView.as_view())]))]
        assert list(exposure.view_classes(nested)) == [plain, InternalAPIView]

    @pytest.mark.parametrize("place", ["config.urls", "config.urls_internal"])
    def test_fails_when_a_view_is_put_into_the_wrong_urls(self, place, monkeypatch):
        from django.urls import clear_url_caches, get_resolver

        wrong = Naive if place == "config.urls_internal" else InternalAPIView
        clear_url_caches()
        patterns = [*get_resolver(place).url_patterns, path("wrong/", wrong.as_view())]
        monkeypatch.setattr(f"{place}.urlpatterns", patterns)
        clear_url_caches()
        test = {
            "config.urls": "test_the_public_urls_hold_no_internal_view",
            "config.urls_internal": "test_every_internal_url_names_its_callers",
        }[place]
        with pytest.raises(AssertionError):
            getattr(exposure.ExposureTests(test), test)()
        monkeypatch.undo()
        clear_url_caches()
        getattr(exposure.ExposureTests(test), test)()
