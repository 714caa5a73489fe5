"""Scenario 85: the same requests in several languages, with catalogs as compilemessages would write them."""

import json
import struct
import threading
from pathlib import Path

import pytest
from django.conf import global_settings
from django.conf import settings as django_settings
from django.core import mail
from django.core.cache import cache
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.utils import translation
from django.utils.translation import get_language, gettext, gettext_lazy, trans_real
from django.views.decorators.cache import cache_page
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIClient
from shop.mails import mail_shipped
from shop.serializers import OrderSerializer

AT_IMPORT = gettext("Order at least one piece.")  # the mistake
LAZY = gettext_lazy("Order at least one piece.")

PIECES = "Only %(left)d piece left.\0Only %(left)d pieces left."
CATALOGS = {
    "de": {
        "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n",
        "Order at least one piece.": "Mindestens ein Stück bestellen.",
        "Order %(number)s is on its way.": "Bestellung %(number)s ist unterwegs.",
        PIECES: "Nur noch %(left)d Stück.\0Nur noch %(left)d Stück.",
    },
    "pl": {
        "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 &&"
        " n%10<=4 && (n%100<12 || n%100>14) ? 1 : 2);\n",
        "Order at least one piece.": "Zamów co najmniej jedną sztukę.",
        PIECES: "Została %(left)d sztuka.\0Zostały %(left)d sztuki.\0Zostało %(left)d sztuk.",
    },
}


def write_catalog(file, texts):
    """The format that msgfmt writes: sorted keys, then values, each with its length and offset."""
    keys = sorted(texts)
    ids, values = [key.encode() for key in keys], [texts[key].encode() for key in keys]
    offset, tables = 28 + 16 * len(keys), []
    for part in (ids, values):
        for item in part:
            tables.append((len(item), offset))
            offset += len(item) + 1
    head = struct.pack("<7I", 0x950412DE, 0, len(keys), 28, 28 + 8 * len(keys), 0, 0)
    body = b"".join(item + b"\0" for item in ids + values)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(head + b"".join(struct.pack("<2I", *entry) for entry in tables) + body)


for _language, _texts in CATALOGS.items():
    write_catalog(Path(django_settings.BASE_DIR, "locale", _language, "LC_MESSAGES", "django.mo"), _texts)


def naive_middleware(get_response):
    def middleware(request):
        django_settings.LANGUAGE_CODE = request.headers["Accept-Language"]
        return get_response(request)

    return middleware


@pytest.fixture(autouse=True)
def fresh():
    """As in a process that has just started."""

    def restart():
        trans_real._translations.clear()
        trans_real._default = None
        translation.deactivate()
        cache.clear()

    restart()
    yield
    restart()


@pytest.fixture
def client():
    return APIClient()


def ask(client, language=None, **order):
    headers = {"accept-language": language} if language else {}
    return client.post("/orders/", order, headers=headers)


def quantity_text(client, language=None, quantity=0):
    return ask(client, language, email="a@example.com", quantity=quantity).json()["quantity"][0]


class TestTheCallersLanguage:
    def test_drfs_messages_and_ours_follow_the_header_and_the_keys_do_not(self, client):
        assert ask(client, "de", quantity=0).json() == {
            "email": ["Dieses Feld ist zwingend erforderlich."],
            "quantity": ["Mindestens ein Stück bestellen."],
        }

    @pytest.mark.parametrize("language", [None, "*", "es", "xx", "nonsense;q=x", "en-GB"])
    def test_everybody_else_gets_the_default(self, client, language):
        assert quantity_text(client, language) == "Order at least one piece."

    @pytest.mark.parametrize("language", ["de", "de-AT", "es,de;q=0.5", "en;q=0.1,de"])
    def test_the_best_language_that_we_have_is_taken(self, client, language):
        assert quantity_text(client, language).startswith("Mindestens")

    def test_one_request_leaves_nothing_behind_for_the_next(self, client):
        texts = [quantity_text(client, language)[:5] for language in ("de", None, "pl", "en")]
        assert texts == ["Minde", "Order", "Zamów", "Order"]

    @pytest.mark.parametrize(
        ("left", "text"), [(1, "Została 1 sztuka."), (3, "Zostały 3 sztuki."), (5, "Zostało 5 sztuk.")]
    )
    def test_polish_has_its_plurals(self, client, monkeypatch, left, text):
        monkeypatch.setattr("shop.serializers.LEFT", left)
        assert quantity_text(client, "pl", quantity=9) == text

    def test_the_code_is_the_same_in_every_language(self):
        for language in ("en", "de", "pl"):
            with translation.override(language):
                order = OrderSerializer(data={"email": "a@example.com", "quantity": 9})
                assert not order.is_valid()
                assert order.errors["quantity"][0].code == "stock"

    def test_numbers_keep_their_format(self, client):
        response = ask(client, "de", email="a@example.com", quantity=2)
        assert response.json() == {"email": "a@example.com", "quantity": 2}

    def test_the_answer_tells_caches_and_clients_its_language(self, client):
        response = ask(client, "pl", quantity=0)
        assert response.headers["Content-Language"] == "pl"
        assert "Accept-Language" in response.headers["Vary"]


class TestWithoutARequest:
    def test_a_mail_is_in_the_language_of_its_reader(self):
        mail_shipped("A-1", "a@example.com", "de")
        mail_shipped("A-1", "a@example.com", "en")
        assert [sent.subject for sent in mail.outbox] == [
            "Bestellung A-1 ist unterwegs.",
            "Order A-1 is on its way.",
        ]
        assert get_language() == "en"

    def test_a_text_that_lacks_its_translation_comes_in_the_default_language(self):
        mail_shipped("A-1", "a@example.com", "pl")
        assert mail.outbox[0].subject == "Order A-1 is on its way."

    def test_a_thread_of_its_own_starts_in_the_default_language(self):
        found = []
        with translation.override("de"):
            thread = threading.Thread(target=lambda: found.append(get_language()))
            thread.start()
            thread.join()
        assert found == ["en"]


class TestCaches:
    def urls(self, settings, view):
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("terms/", view)]})

    def both(self, client):
        return [
            client.get("/terms/", headers={"accept-language": language}).content.decode()[:5]
            for language in ("de", "en")
        ]

    def test_cache_page_keeps_languages_apart(self, client, settings):
        made = []

        def view(request):
            made.append(get_language())
            return HttpResponse(str(LAZY))

        self.urls(settings, cache_page(60)(view))
        assert self.both(client) + self.both(client) == ["Minde", "Order"] * 2
        assert made == ["de", "en"]

    @pytest.mark.parametrize(
        ("key", "seen"),
        [(lambda: "terms", ["Minde", "Minde"]), (lambda: f"terms:{get_language()}", ["Minde", "Order"])],
    )
    def test_a_key_of_your_own_needs_the_language(self, client, settings, key, seen):
        self.urls(settings, lambda request: HttpResponse(cache.get_or_set(key(), lambda: str(LAZY))))
        assert self.both(client) == seen


class TestMistakes:
    def test_without_languages_a_spanish_caller_gets_half_of_each(self, client, settings):
        settings.LANGUAGES = global_settings.LANGUAGES
        body = ask(client, "es", quantity=0).json()
        assert body["email"] == ["Este campo es requerido."]
        assert body["quantity"] == ["Order at least one piece."]

    def test_without_the_middleware_the_header_has_no_effect(self, client, settings):
        settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if "locale" not in one]
        assert quantity_text(client, "de") == "Order at least one piece."

    def test_language_code_set_from_the_header_sticks_to_the_whole_process(self, client, settings):
        own = [one for one in settings.MIDDLEWARE if "locale" not in one]
        settings.MIDDLEWARE = [f"{__name__}.naive_middleware", *own]
        settings.LANGUAGE_CODE = settings.LANGUAGE_CODE  # to be restored after the test
        texts = [quantity_text(client, language)[:5] for language in ("de", "pl", "en")]
        assert texts == ["Minde", "Minde", "Minde"]

    def test_without_locale_paths_the_folder_is_ignored(self, client, settings):
        settings.LOCALE_PATHS = []
        assert quantity_text(client, "de") == "Order at least one piece."

    def test_without_the_compiled_file_the_answer_is_english_and_nothing_fails(
        self, client, settings, tmp_path
    ):
        folder = tmp_path / "de" / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "django.po").write_text('msgid "Order at least one piece."\nmsgstr "Mindestens."\n')
        settings.LOCALE_PATHS = [tmp_path]
        assert quantity_text(client, "de") == "Order at least one piece."

    def test_gettext_at_import_stays_english(self):
        with translation.override("de"):
            assert AT_IMPORT == "Order at least one piece."
            assert str(LAZY) == "Mindestens ein Stück bestellen."

    def test_an_f_string_is_in_no_catalog(self):
        number = "A-1"
        with translation.override("de"):
            assert gettext(f"Order {number} is on its way.") == "Order A-1 is on its way."

    def test_the_cookie_beats_the_header(self, client):
        client.cookies["django_language"] = "pl"
        assert quantity_text(client, "de").startswith("Zamów")

    def test_plain_json_refuses_a_lazy_text_and_drf_and_django_do_not(self):
        with pytest.raises(TypeError, match="Object of type __proxy__ is not JSON serializable"):
            json.dumps({"text": LAZY})
        with translation.override("de"):
            for written in (JSONRenderer().render({"text": LAZY}), JsonResponse({"text": LAZY}).content):
                assert json.loads(written) == {"text": "Mindestens ein Stück bestellen."}
