"""Scenario 51: a monolith and the service taken out of it, in two processes with a database each."""

import hmac
import json
import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import jwt
import psycopg
import pytest
import requests
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import signing
from invoices import api
from invoices.models import Invoice
from jwt.utils import base64url_encode
from ops.compare import differences
from orders.models import Order
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import DEFAULTS
from rest_framework_simplejwt.tokens import AccessToken

NEEDS = ("postgresql",)

PASSWORD = "change-me"
SERVE = """
import django
django.setup()
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from wsgiref.simple_server import WSGIRequestHandler, make_server
call_command("migrate", run_syncdb=True, verbosity=0)
class Quiet(WSGIRequestHandler):
    def log_message(self, *args): pass
server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
"""

VERIFY_OTHERS = """
from django.conf import settings
settings.SIMPLE_JWT |= {{
    "JWK_URL": "{url}", "USER_ID_CLAIM": "sub", "TOKEN_TYPE_CLAIM": None, "JTI_CLAIM": None
}}
from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.settings import DEFAULTS, api_settings
verify = JWTStatelessUserAuthentication()
print(verify.get_user(verify.get_validated_token("{token}")).id)
for name in ("TOKEN_TYPE_CLAIM", "JTI_CLAIM"):
    setattr(api_settings, name, DEFAULTS[name])
    try:
        verify.get_validated_token("{token}")
    except InvalidToken as error:
        print(error.detail["messages"][0]["message"])
    setattr(api_settings, name, None)
"""


def key_pair():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), public.decode()


# --- the two deployments ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service_environment():
    """What the extracted service is given: the public key, and nothing of the monolith's."""
    own = django_settings.DATABASES["default"]
    server = {"host": own["HOST"], "port": own["PORT"]}
    with psycopg.connect(dbname="postgres", user=own["USER"], autocommit=True, **server) as admin:
        admin.execute("CREATE ROLE invoices LOGIN")
        admin.execute("CREATE DATABASE invoices OWNER invoices")
    secrets = {"SECRET_KEY", "TOKEN_PRIVATE_KEY", "EXAMPLE_DATABASE_URL"}
    return {
        **{name: value for name, value in os.environ.items() if name not in secrets},
        "DJANGO_SETTINGS_MODULE": "invoice_service.settings",
        "SECRET_KEY": "change-me: the service's own",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DB_PASSWORD": PASSWORD,
        "DB_HOST": str(server["host"]),
        "DB_PORT": str(server["port"]),
    }


@pytest.fixture(scope="module")
def service(service_environment):
    """The address of the running service."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], env=service_environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


@pytest.fixture
def service_rows(service, service_environment):
    """A connection to the service's database, emptied."""
    with psycopg.connect(
        dbname="invoices",
        user="invoices",
        host=service_environment["DB_HOST"],
        port=service_environment["DB_PORT"],
        autocommit=True,
    ) as connection:
        connection.execute("TRUNCATE invoice_service_invoice")
        yield connection


@pytest.fixture
def ann(db):
    return get_user_model().objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def order(ann):
    order = Order.objects.create(customer=ann, number="A-1")
    Invoice.objects.create(order=order, number="R-1", total="9.50")
    Invoice.objects.create(order=order, number="R-2", total="3.00")
    return order


@pytest.fixture
def moved(order, service_rows):
    """The same invoices in the service's own database."""
    for invoice in Invoice.objects.all():
        service_rows.execute(
            "INSERT INTO invoice_service_invoice (order_id, customer_id, number, total)"
            " VALUES (%s, %s, %s, %s)",
            [order.pk, order.customer_id, invoice.number, invoice.total],
        )


def get(base, path, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(base + path, headers=headers, timeout=10)


def of_the_monolith(user=None, **claims):
    """An access token as the monolith issues it."""
    token = AccessToken.for_user(user) if user else AccessToken()
    for name, value in claims.items():
        token[name] = value
    return str(token)


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def in_the_service(code, environment):
    """Run code as the service could, with its settings and its environment."""
    program = f"import django; django.setup()\n{code}"
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )


# --- what the answer claims ------------------------------------------------------------------------


class TestOneIssuer:
    def test_the_service_accepts_the_monoliths_token_with_the_public_key_alone(self, ann, moved, service):
        response = get(service, f"/api/invoices/?order={Order.objects.get().pk}", of_the_monolith(ann))
        assert response.status_code == 200
        assert response.json() == [
            {"number": "R-1", "total": "9.50"},
            {"number": "R-2", "total": "3.00"},
        ]

    def test_a_token_from_the_log_in_works_at_both(self, order, moved, service, live_server):
        body = {"username": "ann", "password": PASSWORD}
        token = requests.post(f"{live_server.url}/token/", json=body, timeout=10).json()["access"]
        for base in (live_server.url, service):
            assert get(base, f"/api/invoices/?order={order.pk}", token).status_code == 200

    def test_the_service_has_neither_the_private_key_nor_the_monoliths_secret(self, service_environment):
        values = " ".join(service_environment.values())
        assert os.environ["TOKEN_PRIVATE_KEY"] not in values
        assert django_settings.SECRET_KEY not in values

    def test_the_service_cannot_mint_a_token_with_simplejwt(self, service_environment):
        code = "from rest_framework_simplejwt.tokens import AccessToken; print(AccessToken())"
        done = in_the_service(code, service_environment)
        assert done.returncode != 0
        assert "InvalidKeyError" in done.stderr or "Could not parse the provided public key" in done.stderr

    def test_the_service_cannot_mint_one_with_the_public_key_either(self):
        public = os.environ["TOKEN_PUBLIC_KEY"]
        with pytest.raises(AttributeError, match="'sign'"):
            jwt.encode({"user_id": "1"}, public, "RS256")
        with pytest.raises(jwt.InvalidKeyError):
            jwt.encode({"user_id": "1"}, public, "HS256")

    def forged(self, user):
        claims = claims_of(of_the_monolith(user))
        stranger, _ = key_pair()
        yield jwt.encode(claims, stranger, "RS256")
        yield jwt.encode(claims, None, "none")
        # The public key as an HMAC secret, which PyJWT refuses to make: RFC 8725, section 2.1.
        head = base64url_encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
        signed = head + b"." + base64url_encode(json.dumps(claims).encode())
        mac = hmac.digest(os.environ["TOKEN_PUBLIC_KEY"].encode(), signed, "sha256")
        yield (signed + b"." + base64url_encode(mac)).decode()

    def test_a_forged_token_is_refused_by_both(self, order, moved, service, live_server):
        for token in self.forged(order.customer):
            for base in (live_server.url, service):
                assert get(base, f"/api/invoices/?order={order.pk}", token).status_code == 401

    @pytest.mark.parametrize(
        "changes", [{"aud": "another-api"}, {"iss": "https://evil.example"}, {"exp": 1}, {"aud": None}]
    )
    def test_one_wrong_claim_is_refused(self, order, moved, service, changes):
        claims = claims_of(of_the_monolith(order.customer)) | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode(claims, os.environ["TOKEN_PRIVATE_KEY"], "RS256")
        assert get(service, f"/api/invoices/?order={order.pk}", token).status_code == 401

    def test_without_a_token_the_service_answers_401(self, service):
        assert get(service, "/api/invoices/?order=1").status_code == 401

    def test_the_tokens_of_an_identity_provider_are_verified_with_its_published_keys(
        self, service_environment
    ):
        private, public = key_pair()
        claims = {"iss": "https://accounts.example.com", "aud": "shop-api", "sub": "ann", "exp": 2**33}
        token = jwt.encode(claims, private, "RS256", headers={"kid": "2026"})

        with jwks(public, kid="2026") as url:
            done = in_the_service(VERIFY_OTHERS.format(url=url, token=token), service_environment)
        assert done.stdout.split("\n")[:3] == ["ann", "Token has no type", "Token has no id"], done.stderr

    def test_the_commands_of_the_answer_make_such_a_pair(self, tmp_path):
        for command in (
            "openssl genrsa -out token_private.pem 2048",
            "openssl rsa -in token_private.pem -pubout -out token_public.pem",
        ):
            subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
        private, public = ((tmp_path / f"token_{name}.pem").read_text() for name in ("private", "public"))
        token = TokenBackend("RS256", signing_key=private).encode({"user_id": "1"})
        assert TokenBackend("RS256", verifying_key=public).decode(token) == {"user_id": "1"}


class TestTheServicesOwnData:
    def test_another_customers_invoices_are_not_listed(self, order, moved, service):
        bob = get_user_model().objects.create_user("bob")
        assert get(service, f"/api/invoices/?order={order.pk}", of_the_monolith(bob)).json() == []

    def test_its_user_is_made_of_claims_and_its_database_has_nobody(self, order, moved, service_rows):
        assert service_rows.execute("SELECT count(*) FROM auth_user").fetchone() == (0,)

    def test_it_keeps_an_id_and_nothing_checks_that_the_order_exists(self, service_rows):
        service_rows.execute(
            "INSERT INTO invoice_service_invoice (order_id, customer_id, number, total)"
            " VALUES (424242, 1, 'R-9', 1)"
        )

    def test_deleting_an_order_takes_the_monoliths_invoices_and_leaves_the_services(
        self, order, moved, service_rows
    ):
        order.delete()
        assert not Invoice.objects.exists()
        assert service_rows.execute("SELECT count(*) FROM invoice_service_invoice").fetchone() == (2,)

    def test_an_order_that_is_no_number_is_400_in_both(self, ann, service, live_server):
        for base in (live_server.url, service):
            assert get(base, "/api/invoices/?order=x", of_the_monolith(ann)).status_code == 400


class TestOldClientsDoNotNotice:
    def test_the_page_that_embeds_invoices_is_the_same_before_and_after(
        self, order, moved, service, live_server, settings
    ):
        def page():
            return get(live_server.url, f"/api/orders/{order.pk}/", of_the_monolith(order.customer))

        before = page()
        assert before.json()["invoices"][0] == {"number": "R-1", "total": "9.50"}
        Invoice.objects.all().delete()
        settings.INVOICES_URL = service
        assert page().content == before.content

    def test_the_comparison_is_empty_when_both_answer_alike(self, order, moved, service, live_server):
        paths = [f"/api/invoices/?order={order.pk}", "/api/invoices/?order=999", "/api/invoices/?order=x"]
        token = of_the_monolith(order.customer)
        assert list(differences(live_server.url, service, paths, token)) == []

    def test_the_comparison_names_what_differs(self, order, moved, service, service_rows, live_server):
        service_rows.execute("DELETE FROM invoice_service_invoice WHERE number = 'R-2'")
        path = f"/api/invoices/?order={order.pk}"
        ((found, was, now),) = differences(live_server.url, service, [path], of_the_monolith(order.customer))
        assert (found, len(was[1]), len(now[1])) == (path, 2, 1)

    def test_the_route_sends_invoices_to_the_service_and_the_rest_to_the_monolith(self):
        rules = yaml.safe_load(Path("gateway/shop-api.yaml").read_text())["spec"]["rules"]
        assert [rule["backendRefs"][0]["name"] for rule in rules] == ["invoices", "monolith"]
        assert rules[0]["matches"] == [{"path": {"type": "PathPrefix", "value": "/api/invoices"}}]
        assert "matches" not in rules[1]

    def test_the_call_that_replaces_the_function_does_not_wait_for_ever(self, settings, order):
        with silent_server() as settings.INVOICES_URL, pytest.raises(requests.Timeout):
            api.invoices_of(order.pk, "Bearer x")


@contextmanager
def silent_server():
    """The address of one that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


class TestTheBordersInsideTheMonolith:
    def lint(self):
        program = Path(sys.executable).with_name("lint-imports")
        return subprocess.run([program, "--no-cache"], capture_output=True, text=True, check=False)

    def test_the_build_passes_as_long_as_orders_use_the_door(self):
        done = self.lint()
        assert done.returncode == 0, done.stdout + done.stderr

    def test_it_fails_when_orders_reach_for_the_models(self):
        intruder = Path("orders/reports.py")
        intruder.write_text("from invoices.models import Invoice\n")
        try:
            done = self.lint()
        finally:
            intruder.unlink()
        assert done.returncode == 1
        assert "orders.reports" in done.stdout
        assert "BROKEN" in done.stdout


class TestMistakes:
    SHARED = "change-me: the one SECRET_KEY that every service was given"

    def test_with_a_shared_hs256_key_any_service_becomes_the_superuser(self, db):
        root = get_user_model().objects.create_superuser("root")
        monolith = TokenBackend("HS256", signing_key=self.SHARED)
        minted_by_the_service = jwt.encode({"user_id": str(root.pk), "exp": 2**33}, self.SHARED, "HS256")
        assert monolith.decode(minted_by_the_service)["user_id"] == str(root.pk)

    def test_hs256_with_the_secret_key_is_what_simplejwt_does_by_default(self):
        assert (DEFAULTS["ALGORITHM"], DEFAULTS["SIGNING_KEY"]) == ("HS256", django_settings.SECRET_KEY)

    def test_with_a_shared_secret_key_whatever_django_signs_is_forged_too(self, settings):
        settings.SECRET_KEY = self.SHARED
        forged = signing.TimestampSigner(key=self.SHARED).sign_object({"coupon": "100%"})
        assert signing.TimestampSigner().unsign_object(forged) == {"coupon": "100%"}

    def test_a_deactivated_user_is_out_of_the_monolith_and_still_in_the_service(
        self, order, moved, service, live_server
    ):
        token = of_the_monolith(order.customer)
        get_user_model().objects.update(is_active=False)
        path = f"/api/invoices/?order={order.pk}"
        assert get(live_server.url, path, token).status_code == 401
        assert get(service, path, token).status_code == 200

    def test_tokens_of_before_the_change_to_rs256_are_refused(self, order, live_server):
        claims = claims_of(of_the_monolith(order.customer))
        old = jwt.encode(claims, django_settings.SECRET_KEY, "HS256")
        assert get(live_server.url, f"/api/orders/{order.pk}/", old).status_code == 401

    def test_simplejwts_tokens_have_no_kid_so_that_a_jwk_url_finds_no_key(self):
        private, public = key_pair()
        with jwks(public, kid="2026") as url:
            verify = TokenBackend("RS256", jwk_url=url)
            ours = TokenBackend("RS256", signing_key=private).encode({"user_id": "1"})
            with pytest.raises(TokenBackendError, match="Token is invalid"):
                verify.decode(ours)
            with_kid = jwt.encode({"user_id": "1"}, private, "RS256", headers={"kid": "2026"})
            assert verify.decode(with_kid) == {"user_id": "1"}

    def test_an_issuer_that_is_down_looks_like_an_invalid_token(self):
        private, _ = key_pair()
        token = jwt.encode({"user_id": "1"}, private, "RS256", headers={"kid": "2026"})
        with pytest.raises(TokenBackendError, match="Token is invalid"):
            TokenBackend("RS256", jwk_url="http://127.0.0.1:1/jwks.json").decode(token)


@contextmanager
def jwks(public, kid):
    """A server that publishes one public key."""
    key = jwt.algorithms.RSAAlgorithm.to_jwk(serialization.load_pem_public_key(public.encode()), as_dict=True)
    body = json.dumps({"keys": [key | {"kid": kid, "use": "sig"}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
        server.shutdown()
        thread.join()
