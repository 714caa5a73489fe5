"""Scenario 81: what nobody asked for is neither computed, fetched nor shown."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.test import APIClient
from shop.models import Brand, Product
from shop.serializers import ProductSerializer
from shop.views import ProductViewSet

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    return APIClient()


@pytest.fixture
def products():
    brand = Brand.objects.create(name="Acme")
    made = [
        Product.objects.create(name=n, brand=brand, description="long", cost_price=3) for n in ("Saw", "Axe")
    ]
    for product in made:
        product.tags.create(name="tool")
    return made


def get(client, url):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = client.get(url)
    return response, [query["sql"] for query in queries]


class Counted(ProductSerializer):
    """The serializer of the answer with a field that tells when it is computed."""

    slow = serializers.SerializerMethodField()
    computed = []

    class Meta(ProductSerializer.Meta):
        fields = [*ProductSerializer.Meta.fields, "slow"]

    def get_slow(self, product):
        self.computed.append(product.pk)
        return 1


class Naive(serializers.ModelSerializer):
    """The filter after the work."""

    tag_names = serializers.SlugRelatedField(source="tags", slug_field="name", many=True, read_only=True)
    slow = serializers.SerializerMethodField()

    class Meta:
        model = Product
        fields = ["id", "name", "tag_names", "slow"]

    get_slow = Counted.get_slow
    computed = Counted.computed

    def to_representation(self, product):
        data = super().to_representation(product)
        return {name: data[name] for name in data if name in self.context["only"]}


@pytest.fixture(autouse=True)
def fresh_count():
    Counted.computed.clear()


class TestWhatIsComputed:
    def test_no_other_field_is_computed(self, products):
        assert [dict(row) for row in Counted(products, many=True, only={"id"}).data] == [
            {"id": product.pk} for product in products
        ]
        assert Counted.computed == []

    def test_the_field_is_computed_when_asked_for(self, products):
        assert Counted(products[0], only={"slow"}).data == {"slow": 1}
        assert Counted.computed == [products[0].pk]

    def test_filtering_afterwards_computes_and_queries_everything(self, products):
        rows = Product.objects.order_by("pk")
        with CaptureQueriesContext(connection) as queries:
            data = Naive(rows, many=True, context={"only": {"id"}}).data
        assert [set(row) for row in data] == [{"id"}, {"id"}]
        assert len(Counted.computed) == 2
        assert len(queries) == 3  # the products, and the tags of each

    def test_a_nested_serializer_is_not_trimmed_along(self, products):
        class BrandSerializer(serializers.ModelSerializer):
            class Meta:
                model = Brand
                fields = ["id", "name"]

        class Nested(ProductSerializer):
            brand = BrandSerializer()

        assert Nested(products[0], only={"brand"}).data["brand"]["name"] == "Acme"


class TestTheEndpoint:
    def test_only_the_named_keys_come_in_one_query_without_joins_and_large_columns(self, client, products):
        response, queries = get(client, "/products/?fields=id,name")
        assert response.json() == [{"id": p.pk, "name": p.name} for p in products]
        assert len(queries) == 1
        assert "JOIN" not in queries[0]
        assert "description" not in queries[0]

    def test_a_relation_that_is_asked_for_is_fetched_at_once(self, client, products):
        response, queries = get(client, "/products/?fields=brand_name,tag_names")
        assert response.json()[0] == {"brand_name": "Acme", "tag_names": ["tool"]}
        assert len(queries) == 2

    def test_without_the_parameter_all_comes(self, client, products):
        for url in ("/products/", "/products/?fields="):
            response, queries = get(client, url)
            assert set(response.json()[0]) == set(ProductSerializer.Meta.fields) - {"cost_price"}
            assert len(queries) == 2

    def test_the_detail_is_trimmed_too(self, client, products):
        response, queries = get(client, f"/products/{products[0].pk}/?fields=name")
        assert response.json() == {"name": "Saw"}
        assert len(queries) == 1

    def test_an_unknown_name_is_a_400_even_if_there_are_no_rows(self, client):
        response, _ = get(client, "/products/?fields=id,nmae,brand__name")
        assert response.status_code == 400
        assert response.json() == {"fields": "Unknown: brand__name, nmae."}

    def test_the_hidden_field_is_unknown_to_the_public_and_chosen_by_staff(self, client, products):
        assert get(client, "/products/?fields=cost_price")[0].status_code == 400
        client.force_authenticate(get_user_model().objects.create_superuser("ann"))
        assert get(client, "/products/?fields=cost_price")[0].json()[0] == {"cost_price": "3.00"}
        assert "cost_price" in get(client, "/products/")[0].json()[0]

    def test_a_write_ignores_the_parameter_and_keeps_its_input(self, client, products):
        body = {"name": "Hoe", "description": "new", "brand": products[0].brand_id}
        assert client.post("/products/?fields=id", body).status_code == 201
        assert Product.objects.get(name="Hoe").description == "new"
        assert client.patch(f"/products/{products[0].pk}/?fields=id", {"name": "Sickle"}).status_code == 200
        assert Product.objects.filter(name="Sickle").exists()


class TestMistakes:
    def test_trimming_on_a_write_throws_input_away_and_reports_success(self, products):
        serializer = ProductSerializer(
            products[0], data={"name": "Sickle", "description": "new"}, partial=True, only={"id", "name"}
        )
        serializer.is_valid(raise_exception=True)
        serializer.save()
        products[0].refresh_from_db()
        assert products[0].description == "long"

    def test_names_from_the_url_in_values_leak(self, products):
        assert Product.objects.values("cost_price", "brand__name")[0] == {
            "cost_price": 3,
            "brand__name": "Acme",
        }

    def test_only_with_a_forgotten_column_costs_a_query_per_row(self, products):
        with CaptureQueriesContext(connection) as queries:
            [product.description for product in Product.objects.only("name")]
        assert len(queries) == 3

    def test_a_prefetch_left_in_the_view_still_loads_the_tags(self, client, products, monkeypatch):
        monkeypatch.setattr(
            ProductViewSet, "queryset", Product.objects.prefetch_related("tags").order_by("pk")
        )
        assert len(get(client, "/products/?fields=id")[1]) == 2

    def test_a_serializer_without_the_argument_refuses_it(self, products):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            Naive(products[0], fields=["id"])


class TestTheSchema:
    def test_it_documents_the_parameter_for_reads_only_and_keeps_the_keys_required(self):
        schema = SchemaGenerator().get_schema(request=None, public=True)
        for path in ("/products/", "/products/{id}/"):
            fields = next(p for p in schema["paths"][path]["get"]["parameters"] if p["name"] == "fields")
            assert fields["explode"] is False
            assert fields["schema"]["type"] == "array"
        names = [p["name"] for p in schema["paths"]["/products/"]["post"].get("parameters", [])]
        assert "fields" not in names
        assert "brand_name" in schema["components"]["schemas"]["Product"]["required"]
