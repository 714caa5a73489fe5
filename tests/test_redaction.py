"""Secrets leave a message, and nothing else does. No secret of realistic shape stands in this file as such."""

from __future__ import annotations

import time

import pytest

from app.redaction import REDACTED, redact
from app.settings import PROJECT

# Made up, and put together when the tests run.
PASSWORD = "Quartz" + "-Lime-" + "4182"
WORDS = "correct" + "Horse" + "Battery"
AWS_ID = "AK" + "IA" + "Z5SAMPLE" + "J6VU3RGD"
AWS_SECRET = "u8Tz" + "/" + "SAMPLEpQ3nVw1sLk0yXbRr6JmDd9HhGc4" + "+eA"
JWT_HEAD = "ey" + "JhbGciOiJIUzI1NiJ9"
JWT = ".".join((JWT_HEAD, "ey" + "J1c2VyX2lkIjo0Mn0", "q1Zf0vK7dYtW3mXo9bRlTnUe5sHcJg2A"))
HEX = "9944b09199c6" + "2bcf9418ad84" + "6dd0e4bbdfc6"
RANDOM = "8Kq2ZxW9" + "1bTnVd40" + "sRmYcE7u"
LONG_RANDOM = RANDOM + "pL3vJ6hG" + "2fD5sA8k"
MAIL = "j.okafor" + "@" + "brightmail.example"
PEM = "\n".join(
    ("-----BEGIN RSA " + "PRIVATE KEY-----", RANDOM * 3, RANDOM, "-----END RSA " + "PRIVATE KEY-----")
)

FORMS = [
    # Python
    f"DB_PASSWORD = '{PASSWORD}'",
    f'connect(user="app", password="{PASSWORD}", host="db")',
    f"DATABASES = {{'default': {{'PASSWORD': '{PASSWORD}', 'HOST': 'db'}}}}",
    f'os.environ["API_TOKEN"] = "{PASSWORD}"',
    f'SECRET_KEY = (\n    "{PASSWORD}"\n)',
    f'SECRET_KEY_FALLBACKS = ["{WORDS}", "{PASSWORD}"]',
    f'if api_key == "{PASSWORD}":',
    f"password = '{PASSWORD}",
    # YAML
    f"password: {PASSWORD}",
    f"  POSTGRES_PASSWORD: '{PASSWORD}'\n  POSTGRES_USER: app",
    f"- SENTRY_AUTH_TOKEN: {PASSWORD}  # for releases",
    f"password: {WORDS}\nuser: app",
    # environment and shell
    f"SECRET_KEY={PASSWORD}",
    f"export PGPASSWORD={WORDS}; psql",
    f'DB_PASS="{PASSWORD}"',
    f"STRIPE_API_KEY_LIVE={PASSWORD}",
    f"mysql --password {PASSWORD} shop",
    f"mysql --password={PASSWORD} shop",
    f"curl -s -u admin:{PASSWORD} https://api.example.com/",
    # JSON, JSON in a string, query strings, XML, SQL
    f'{{"username": "ann", "password": "{PASSWORD}"}}',
    f'{{"accessToken":"{PASSWORD}","expires":300}}',
    f'"{{\\"client_secret\\": \\"{PASSWORD}\\"}}"',
    f"GET /export/?user=7&token={PASSWORD}&page=2",
    f"<soap:Password>{PASSWORD}</soap:Password>",
    f"ALTER USER app WITH PASSWORD '{PASSWORD}';",
    # DSNs and URLs
    f"postgres://svc_importer:{PASSWORD}@10.0.8.5:5432/core",
    f"postgres://app:p@{PASSWORD}@db/shop",
    f"redis://:{PASSWORD}@cache:6379/0",
    f"https://{HEX}@o1.ingest.example.com/42",
    f"broker amqp://guest:{WORDS}@mq// is down",
    f"https://hooks.slack.com/services/T0/B0/{RANDOM}",
    f"https://bucket.example.com/a.pdf?X-Amz-Signature={HEX}",
    # headers
    f"Authorization: Bearer {RANDOM}",
    f"Authorization: Token {HEX}",
    f"{{'Authorization': 'Basic {WORDS}'}}",
    f"Authorization: JWT {JWT}",
    f"we send Bearer {HEX} and get 401",
    f"X-Api-Key: {PASSWORD}",
    f"Cookie: theme=dark; sessionid={RANDOM}",
    f'{{"Cookie": "sso={WORDS}"}}',
    f"Set-Cookie: sso={WORDS}; HttpOnly",
    f"'HTTP_COOKIE': 'sso={WORDS}'",
    f"csrfmiddlewaretoken={RANDOM}",
    # known by their own shape, wherever they stand
    f'EMAIL_HOST_USER = "{AWS_ID}"',
    f"the second value is {AWS_SECRET} and it is refused",
    f"ws://localhost:8000/ws/orders/?t={JWT}",
    "got xo" + f"xb-293048174510-{RANDOM}",
    "key gh" + f"p_{RANDOM} is refused",
    "key s" + f"k-{RANDOM} is refused",
    "key frl" + f"_live_{RANDOM} is refused",
    "SECRET django-" + f"insecure-{PASSWORD}",
    f"the value {LONG_RANDOM} is refused",
    f"key:\n{PEM}\nend",
    f"deliver.delay(to='{MAIL}')",
]  # fmt: skip
PLANTED = (PASSWORD, WORDS, AWS_ID, AWS_SECRET, JWT, HEX, LONG_RANDOM, RANDOM, MAIL)


@pytest.mark.parametrize("text", FORMS, ids=range(len(FORMS)))
def test_a_secret_goes_in_whatever_form_it_is_written(text: str) -> None:
    clean = redact(text)
    assert REDACTED in clean
    assert [secret for secret in PLANTED if secret in clean] == []
    assert redact(clean) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"postgres://app:{PASSWORD}@db:5432/shop?sslmode=require", "postgres://app:[redacted]@db:5432/shop?sslmode=require"),
        (f"redis://:{PASSWORD}@cache/0, then 500", "redis://:[redacted]@cache/0, then 500"),
        (f'{{"password": "{PASSWORD}", "plan": "team"}}', '{"password": "[redacted]", "plan": "team"}'),
        (f"GET /x?token={PASSWORD}&page=2", "GET /x?token=[redacted]&page=2"),
        (f"Set-Cookie: sessionid={RANDOM}; HttpOnly; SameSite=Lax", "Set-Cookie: sessionid=[redacted]; HttpOnly; SameSite=Lax"),
        (f"Authorization: Bearer {JWT} gives 401", f"Authorization: Bearer {JWT_HEAD}.[redacted] gives 401"),
        (f"ws://localhost/?token={JWT}' failed", f"ws://localhost/?token={JWT_HEAD}.[redacted]' failed"),
        (f"REPORTS_DSN = 'postgres://app:{PASSWORD}@db/shop'", "REPORTS_DSN = 'postgres://app:[redacted]@db/shop'"),
        (f"SECRET_KEY={PASSWORD}\nDEBUG=1", "SECRET_KEY=[redacted]\nDEBUG=1"),
        (f"mail to {MAIL}, please", "mail to [redacted], please"),
        (PEM + "\nis what I pasted", "-----BEGIN RSA " + "PRIVATE KEY-----[redacted]-----END RSA " + "PRIVATE KEY-----\nis what I pasted"),
        (f"password='{PASSWORD}' and password='{WORDS}'", "password='[redacted]' and password='[redacted]'"),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_explains_the_problem_stays_around_the_secret(text: str, clean: str) -> None:
    assert redact(text) == clean


INNOCENT = [
    "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.",
    'qs = Order.objects.select_related("customer").prefetch_related("lines__product")[:20]',
    "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication",
    "from rest_framework_simplejwt.token_blacklist.models import OutstandingToken",
    "DEFAULT_AUTHENTICATION_CLASSES = ['rest_framework.authentication.TokenAuthentication']",
    "HTTP_431_REQUEST_HEADER_FIELDS_TOO_LARGE",
    "test_Order2ListView_returns_403_for_strangers_and_200_for_owners",
    "AbstractBaseCustomerOrder2ProductRelationshipManagerFactory",
    "orders_test_settings and shop_prod_deployment and config_live_reloading2",
    'File "/Users/bob/Projects/shop2/venv/lib/python3.11/site-packages/django/db/models/query.py", line 648, in get',
    "src/billing/API2/tests/test_views/test_listing_of_orders",
    "https://github.com/encode/django-rest-framework/blob/3.15.2/rest_framework/views.py#L506",
    "http://localhost:8000/@vite/client and http://127.0.0.1:8000/users/@me",
    "git bisect says 3f2a9c1d7be04a6c8f1209d4e5b6a7980c1d2e3f is the first bad commit",
    "request id 7f9c24e8-3b12-4c55-9d0a-1f2e3d4c5b6a",
    "git clone git@github.com:acme/shop.git",
    'SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=5), "ROTATE_REFRESH_TOKENS": True}',
    "PASSWORD_RESET_TIMEOUT = 259200",
    'SECRET_KEY = os.environ["SECRET_KEY"]',
    'token = request.headers.get("Authorization", "").partition(" ")[2]',
    "api_key = models.CharField(max_length=64, unique=True)",
    "user.set_password(form.cleaned_data)",
    "password: ${DB_PASSWORD}",
    "SECRET_KEY = '********************'",
    'headers = {"X-Api-Key": f"{token}"}',
    '<input type="hidden" name="csrfmiddlewaretoken" value="{{ csrf_token }}">',
    "Authorization: Bearer <token>",
    "Authorization: Bearer ACCESS_TOKEN",
    "use Token authentication or Basic authentication, and Bearer tokens later",
    "ID token validation fails, and the session cookie is not set",
    'WWW-Authenticate: Bearer realm="api"',
    '{"password": ["This field is required."], "token": null}',
    '{"password": "This password is too common."}',
    '{"code": "token_not_valid", "messages": [{"token_class": "AccessToken", "token_type": "access"}]}',
    "token: how do I refresh it before it expires",
    "fetch(url, {credentials: 'include'})",
    "CORS_ALLOW_CREDENTIALS = True",
    "SESSION_COOKIE_SECURE = True; CSRF_COOKIE_SAMESITE = 'None'",
    "someone dumped X-API-Key into Kibana",
    "cache_key = 'orders:v2:list'; PRIMARY_KEY = 'id'",
    "npm i react@18.2.0, actions/checkout@v7, logo@2x.png, @app.task",
    "ws://localhost:8000/ws/orders/ 403",
    "日本語の質問 🚀 — “quotes”",
    "",
]  # fmt: skip


@pytest.mark.parametrize("text", INNOCENT, ids=range(len(INNOCENT)))
def test_a_text_without_a_secret_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_traceback_is_left_alone() -> None:
    traceback = """\
Internal Server Error: /api/orders/
Traceback (most recent call last):
  File "/Users/bob/Projects/Shop2/.venv/lib/python3.11/site-packages/django/core/handlers/exception.py", line 55, in inner
    response = get_response(request)
  File "/srv/Shop2/orders/views.py", line 31, in get_queryset
    return Order.objects.select_related("customer").filter(customer__token=self.request.auth)
django.db.utils.OperationalError: connection to server at "10.0.8.5", port 5432 failed: FATAL:  remaining slots are reserved
"""
    assert redact(traceback) == traceback


def test_real_code_is_left_alone() -> None:
    # The patterns look like what they find, and the settings show what a database's address looks like.
    paths = set((PROJECT / "app").rglob("*.py")) - {
        PROJECT / "app" / f"{name}.py" for name in ("redaction", "settings")
    }
    assert len(paths) > 20
    changed = {path.name for path in paths if redact(path.read_text("utf-8")) != path.read_text("utf-8")}
    assert changed == set()


@pytest.mark.parametrize(
    "piece",
    ["a", "a-", "a.", "A1b", "a1B/", "x@", "a@a.", "://a:", "eyJ", "Bearer ", "token ", "password", "password='",
     "cookie:", "curl -u", "<password>", "_key=", "\\'", "-----BEGIN RSA " + "PRIVATE KEY-----", "-- ", "\n", "=%20"],
)  # fmt: skip
def test_no_text_of_the_longest_length_takes_long(piece: str) -> None:
    text = (piece * 4000)[:4000]
    started = time.perf_counter()
    redact(text)
    assert time.perf_counter() - started < 0.5
