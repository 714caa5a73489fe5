"""Scenario 25: users log in with an OpenID provider that this module runs, and that also lies."""

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.conf import settings as project
from django.contrib.auth import get_user_model
from django.test import Client
from joserfc import jwt
from joserfc.jwk import RSAKey
from rest_framework.test import APIClient
from sso import views
from sso.models import Identity

pytestmark = pytest.mark.django_db


class Provider:
    """An OpenID provider; a test may make it lie through `claims`, `key`, `token`."""

    def __init__(self, issuer):
        self.issuer = issuer
        self.requests = []
        self.grants = {}
        self.lies = {}
        self.new_key("first")
        address = urlsplit(issuer)
        handler = type("Handler", (Handler,), {"provider": self})
        self.server = ThreadingHTTPServer((address.hostname, address.port), handler)

    def new_key(self, kid):
        self.key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})

    def authorize(self, url, **user):
        """What the browser does at the provider: the user agrees; return the parameters of the callback."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = f"code-{len(self.grants)}"
        self.grants[code] = (asked, {"sub": "u-1", "email": "ann@example.com", **user})
        return {"code": code, "state": asked["state"]}

    def configuration(self):
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def token(self, form, authorization):
        """The token endpoint: a code is good once, for its client, redirect URI and code verifier."""
        credentials = f"{project.AUTHLIB_OAUTH_CLIENTS['sso']['client_id']}:change-me"
        assert authorization == "Basic " + base64.b64encode(credentials.encode()).decode()
        asked, user = self.grants.pop(form["code"], (None, None))
        if asked is None or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if asked["code_challenge"] != challenge_of(form["code_verifier"]):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": asked["client_id"], "iat": now, "exp": now + 300}
        claims |= {"nonce": asked["nonce"], **user, **self.lies}
        signed = jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)
        return 200, {"access_token": "provider-access", "token_type": "Bearer", "id_token": signed}


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_GET(self):
        self.provider.requests.append(self.path)
        if self.path == "/keys":
            self.answer(200, {"keys": [self.provider.key.as_dict(private=False)]})
        else:
            assert self.path == "/.well-known/openid-configuration"
            self.answer(200, self.provider.configuration())

    def do_POST(self):
        self.provider.requests.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.answer(*self.provider.token(form, self.headers["Authorization"]))

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        """Silent: the test says what went wrong."""


def challenge_of(verifier):
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def server():
    provider = Provider(project.OIDC_ISSUER)
    thread = threading.Thread(target=provider.server.serve_forever, daemon=True)
    thread.start()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()
    thread.join()


@pytest.fixture
def provider(server):
    server.requests.clear()
    server.grants.clear()
    server.lies = {}
    return server


def finish(client, provider, **user):
    """The whole flow in one browser: our login, the provider's page, our callback."""
    started = client.get("/sso/login/")
    assert started.status_code == 302
    return client.get("/sso/callback/", provider.authorize(started["Location"], **user))


def logged_in(client):
    return client.get("/me/").status_code == 200


class TestTheFlow:
    def test_a_user_comes_in_and_calls_the_api_with_the_session(self, client, provider):
        assert client.get("/me/").status_code == 403
        response = finish(client, provider)
        assert (response.status_code, response["Location"]) == (302, "/")
        assert client.get("/me/").json()["email"] == "ann@example.com"

    def test_the_first_redirect_asks_for_what_is_checked_later(self, client, provider):
        url = urlsplit(client.get("/sso/login/")["Location"])
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{provider.issuer}/authorize"
        assert asked["response_type"] == "code"
        assert asked["redirect_uri"] == project.OIDC_REDIRECT_URI
        assert asked["code_challenge_method"] == "S256"
        assert {"state", "nonce", "code_challenge"} <= asked.keys()

    def test_every_login_has_a_state_a_nonce_and_a_challenge_of_its_own(self, client, provider):
        first, second = (parse_qs(urlsplit(client.get("/sso/login/")["Location"]).query) for _ in range(2))
        for name in ("state", "nonce", "code_challenge"):
            assert first[name] != second[name]

    def test_the_session_gets_a_new_key_and_no_token_of_the_provider(self, client, provider):
        client.get("/sso/login/")
        before = client.session.session_key
        finish(client, provider)
        assert client.session.session_key != before
        assert "provider-access" not in json.dumps(dict(client.session))
        assert client.cookies["sessionid"]["secure"]
        assert client.cookies["sessionid"]["max-age"] == 8 * 60 * 60

    def test_a_write_needs_the_csrf_token(self, client, provider):
        finish(client, provider)
        strict = APIClient(enforce_csrf_checks=True)
        strict.cookies = client.cookies
        assert strict.post("/me/").status_code == 403
        token = client.cookies["csrftoken"].value
        assert strict.post("/me/", headers={"x-csrftoken": token}).status_code == 204

    def test_new_signing_keys_of_the_provider_are_fetched(self, client, provider):
        finish(client, provider)
        provider.new_key("second")
        other = Client()
        finish(other, provider)
        assert logged_in(other)


class TestWhatIsRefused:
    @pytest.fixture(autouse=True)
    def nobody_gets_in(self, client, provider):
        yield
        assert not logged_in(client)
        assert not Identity.objects.exists()

    def test_the_code_and_state_of_another_browser(self, client, provider):
        attacker = Client()
        stolen = provider.authorize(attacker.get("/sso/login/")["Location"], sub="attacker")
        client.get("/sso/login/")
        assert client.get("/sso/callback/", stolen).status_code == 403
        assert "/token" not in provider.requests

    def test_the_code_of_another_browser_under_our_own_state(self, client, provider):
        stolen = provider.authorize(Client().get("/sso/login/")["Location"], sub="attacker")
        ours = provider.authorize(client.get("/sso/login/")["Location"])
        injected = {"code": stolen["code"], "state": ours["state"]}
        assert client.get("/sso/callback/", injected).status_code == 403

    def test_a_browser_whose_cookie_got_lost(self, client, provider, caplog):
        parameters = provider.authorize(client.get("/sso/login/")["Location"])
        assert Client().get("/sso/callback/", parameters).status_code == 403
        assert "mismatching_state" in caplog.text

    def test_a_redirect_uri_other_than_at_the_start(self, client, provider, caplog):
        parameters = provider.authorize(client.get("/sso/login/")["Location"])
        provider.grants[parameters["code"]][0]["redirect_uri"] = "http://testserver/other/"
        assert client.get("/sso/callback/", parameters).status_code == 403
        assert "invalid_grant" in caplog.text

    @pytest.mark.parametrize(
        "lie",
        [
            {"nonce": "of-another-login"},
            {"aud": "another-client"},
            {"aud": "another-client", "azp": "our-api"},
            {"iss": "https://evil.example"},
            {"exp": 1_000_000_000},
        ],
        ids=lambda lie: "+".join(lie),
    )
    def test_an_id_token_that_was_not_made_for_this_login(self, client, provider, lie):
        provider.lies = lie
        assert finish(client, provider).status_code == 403

    def test_an_id_token_without_the_nonce(self, client, provider, monkeypatch):
        honest = provider.token

        def forgets(form, authorization):
            form_code = provider.grants[form["code"]]
            form_code[0]["nonce"] = None
            return honest(form, authorization)

        monkeypatch.setattr(provider, "token", forgets)
        assert finish(client, provider).status_code == 403

    def test_an_id_token_signed_by_somebody_else(self, client, provider, monkeypatch):
        finish(Client(), provider)  # our server has the provider's keys by now
        Identity.objects.all().delete()
        imposter = RSAKey.generate_key(2048, {"kid": provider.key.kid, "use": "sig", "alg": "RS256"})
        monkeypatch.setattr(provider, "key", imposter)
        assert finish(client, provider).status_code == 403

    def test_an_answer_without_an_id_token(self, client, provider, monkeypatch):
        answer = {"access_token": "provider-access", "token_type": "Bearer"}
        monkeypatch.setattr(provider, "token", lambda form, authorization: (200, answer))
        assert finish(client, provider).status_code == 403

    def test_a_user_who_says_no(self, client, provider, caplog):
        client.get("/sso/login/")
        assert client.get("/sso/callback/?" + urlencode({"error": "access_denied"})).status_code == 403
        assert "access_denied" in caplog.text


class TestAReload:
    def test_of_the_callback_is_refused_and_the_session_stays(self, client, provider, caplog):
        parameters = provider.authorize(client.get("/sso/login/")["Location"])
        assert client.get("/sso/callback/", parameters).status_code == 302
        assert client.get("/sso/callback/", parameters).status_code == 403
        assert "mismatching_state" in caplog.text
        assert logged_in(client)


class TestTheRightUser:
    def test_the_same_subject_is_the_same_user_though_the_address_changed(self, client, provider):
        finish(client, provider)
        again = Client()
        finish(again, provider, email="ann.new@example.com")
        assert again.get("/me/").json()["id"] == client.get("/me/").json()["id"]
        assert Identity.objects.count() == 1

    def test_an_address_that_moved_to_a_colleague_does_not_carry_the_account(self, client, provider):
        finish(client, provider)
        colleague = Client()
        finish(colleague, provider, sub="u-2")
        assert colleague.get("/me/").json()["id"] != client.get("/me/").json()["id"]

    def test_an_unverified_address_of_our_admin_opens_an_account_without_rights(self, client, provider):
        admin = get_user_model().objects.create_superuser("root", "root@example.com", "change-me")
        finish(client, provider, sub="attacker", email="root@example.com", email_verified=False)
        assert client.get("/me/").json()["id"] != admin.pk

    def test_matching_by_address_would_have_made_the_attacker_an_admin(self, client, provider, monkeypatch):
        admin = get_user_model().objects.create_superuser("root", "root@example.com", "change-me")
        monkeypatch.setattr(
            views, "user_of", lambda claims: get_user_model().objects.get(email=claims["email"])
        )
        finish(client, provider, sub="attacker", email="root@example.com", email_verified=False)
        assert client.get("/me/").json()["id"] == admin.pk

    def test_a_user_whom_we_have_deactivated_stays_out(self, client, provider):
        finish(client, provider)
        get_user_model().objects.update(is_active=False)
        other = Client()
        assert finish(other, provider).status_code == 403
        assert not logged_in(other)

    def test_anybody_the_provider_knows_gets_a_user(self, provider):
        for number in range(3):
            finish(Client(), provider, sub=f"stranger-{number}")
        assert get_user_model().objects.count() == 3


class TestTheDefaultOfAuthlib:
    def test_it_accepts_the_audience_of_another_client_if_azp_is_ours(self, client, provider, monkeypatch):
        exchange = views.oauth.sso.authorize_access_token
        monkeypatch.setattr(
            views.oauth.sso, "authorize_access_token", lambda request, claims_options: exchange(request)
        )
        provider.lies = {"aud": "another-client", "azp": "our-api"}
        finish(client, provider)
        assert logged_in(client)
