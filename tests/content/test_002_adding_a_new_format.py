"""Scenario 2: XML on request; who asks for JSON, for anything or for nothing keeps getting JSON."""

import xml.etree.ElementTree as ET

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework import renderers
from rest_framework.test import APIClient
from rest_framework_xml.parsers import XMLParser
from rest_framework_xml.renderers import XMLRenderer
from shop.formats import TextXMLRenderer
from shop.models import Order
from shop.views import OrderViewSet

pytestmark = pytest.mark.django_db

JSON, XML, HTML = renderers.JSONRenderer, XMLRenderer, renderers.BrowsableAPIRenderer
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
DOCUMENT = b"<root><customer_number>00420</customer_number><express>true</express></root>"


@pytest.fixture
def client():
    return APIClient(raise_request_exception=False)


@pytest.fixture
def order():
    return Order.objects.create(customer_number="00420", express=True)


@pytest.fixture
def use(monkeypatch):
    """Give the view other renderers, as in a mistake the answer warns of."""
    return lambda *classes: monkeypatch.setattr(OrderViewSet, "renderer_classes", classes)


def get(client, accept=None, url="/orders/"):
    return client.get(url, headers={"accept": accept} if accept else {})


def media_type(response):
    return response.headers["Content-Type"].partition(";")[0]


class TestWhoGetsWhat:
    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            (None, "application/json"),
            ("*/*", "application/json"),
            ("application/json", "application/json"),
            ("application/json, text/plain, */*", "application/json"),
            (BROWSER, "text/html"),
            ("application/xml", "application/xml"),
            ("text/xml", "text/xml"),
        ],
    )
    def test_the_accept_header_decides(self, client, order, accept, expected):
        response = get(client, accept)
        assert response.status_code == 200
        assert media_type(response) == expected

    def test_the_document_is_what_the_answer_says(self, client, order):
        root = ET.fromstring(get(client, "application/xml").content)
        assert root.tag == "root"
        (item,) = root
        assert item.tag == "list-item"
        assert item.findtext("customer_number") == "00420"
        assert item.findtext("express") == "True"
        assert item.find("note").text is None

    @pytest.mark.parametrize("accept", ["application/xml", "application/json"])
    def test_an_error_comes_in_the_format_of_the_client(self, client, accept):
        response = get(client, accept, "/orders/99/")
        assert response.status_code == 404
        assert media_type(response) == accept

    def test_q_values_are_ignored(self, client, order):
        assert media_type(get(client, "application/json;q=0.1, application/xml;q=0.9")) == "application/json"

    @pytest.mark.parametrize("accept", [None, "*/*", BROWSER])
    def test_the_format_parameter_selects_xml_without_a_header(self, client, order, accept):
        assert media_type(get(client, accept, "/orders/?format=xml")) == "application/xml"

    def test_the_schema_lists_the_new_media_types(self):
        schema = SchemaGenerator().get_schema(public=True)
        operation = schema["paths"]["/orders/"]["post"]
        kinds = {"application/json", "application/xml", "text/xml"}
        assert operation["responses"]["201"]["content"].keys() == kinds
        assert kinds < operation["requestBody"]["content"].keys()


class TestXMLComingIn:
    @pytest.mark.parametrize("content_type", ["application/xml", "text/xml"])
    def test_a_document_is_accepted_and_its_text_stays_as_sent(self, client, content_type):
        response = client.post("/orders/", DOCUMENT, content_type=content_type)
        assert response.status_code == 201, response.content
        order = Order.objects.get()
        assert (order.customer_number, order.express) == ("00420", True)

    def test_the_stock_parser_loses_leading_zeros(self, client, monkeypatch):
        monkeypatch.setattr(OrderViewSet, "parser_classes", [XMLParser])
        client.post("/orders/", DOCUMENT, content_type="application/xml")
        assert Order.objects.get().customer_number == "420"

    def test_the_stock_parser_does_not_know_text_xml(self, client, monkeypatch):
        monkeypatch.setattr(OrderViewSet, "parser_classes", [XMLParser])
        assert client.post("/orders/", DOCUMENT, content_type="text/xml").status_code == 415

    @pytest.mark.parametrize(
        "dtd",
        [
            b'<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>',
            b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        ],
    )
    def test_a_document_that_declares_entities_is_refused(self, client, dtd):
        assert client.post("/orders/", dtd + DOCUMENT, content_type="application/xml").status_code == 400
        assert not Order.objects.exists()

    def test_the_standard_library_expands_entities(self):
        dtd = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
        assert ET.fromstring(f"{dtd}<r>&b;</r>").text == "hahaha"


class TestMistakes:
    def test_xml_alone_refuses_json_clients(self, client, order, use):
        use(XML)
        assert get(client, "application/json").status_code == 406

    @pytest.mark.parametrize("accept", [None, "*/*"])
    def test_xml_first_turns_clients_that_do_not_choose_to_xml(self, client, order, use, accept):
        use(XML, JSON)
        assert media_type(get(client, accept)) == "application/xml"

    def test_text_xml_needs_a_renderer_of_its_own(self, client, order, use):
        use(JSON, XML)
        assert get(client, "text/xml").status_code == 406
        use(JSON, XML, TextXMLRenderer)
        assert get(client, "text/xml").status_code == 200

    def test_a_browser_is_shown_xml_where_it_was_shown_json(self, client, order, use):
        use(JSON)
        assert media_type(get(client, BROWSER)) == "application/json"
        use(JSON, XML)
        assert media_type(get(client, BROWSER)) == "application/xml"

    def test_a_browsable_renderer_behind_xml_does_not_help(self, client, order, use):
        use(JSON, XML, HTML)
        assert media_type(get(client, BROWSER)) == "application/xml"

    def test_a_media_type_nobody_sends_by_chance_leaves_the_browser_with_json(self, client, order, use):
        kind = "application/vnd.example.orders+xml"
        use(JSON, type("VendorXMLRenderer", (XMLRenderer,), {"media_type": kind}))
        assert media_type(get(client, BROWSER)) == "application/json"
        assert media_type(get(client, kind)) == kind

    def test_format_and_accept_have_to_match(self, client, order):
        assert get(client, "application/json", "/orders/?format=xml").status_code == 406

    def test_vary_appears_with_the_second_renderer(self, client, order, use):
        use(JSON)
        assert "Accept" not in get(client).headers.get("Vary", "")
        use(JSON, XML)
        assert "Accept" in get(client).headers["Vary"]

    def test_a_key_that_is_no_element_name_gives_xml_nobody_can_read(self, client):
        Order.objects.create(extra={"2024": 1})
        response = get(client, "application/xml")
        assert response.status_code == 200
        with pytest.raises(ET.ParseError):
            ET.fromstring(response.content)

    def test_a_control_character_is_a_500(self, client):
        Order.objects.create(note="tab\x0b")
        assert get(client, "application/json").status_code == 200
        assert get(client, "application/xml").status_code == 500
