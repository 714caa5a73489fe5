"""Scenario 64: a category tree on PostgreSQL is read, moved, closed into circles and deleted."""

from threading import Thread

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext, isolate_apps
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIClient
from shop.models import Category, Product
from shop.trees import move, nested
from tree_queries.models import TreeNode

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db


def grow(*path):
    """The nodes of one path from the root, made where they are missing."""
    nodes, parent = [], None
    for name in path:
        parent, _ = Category.objects.get_or_create(name=name, parent=parent)
        nodes.append(parent)
    return nodes


@pytest.fixture
def men():
    return grow("Men", "Shoes", "Sneakers")


@pytest.fixture
def staff():
    client = APIClient()
    client.force_authenticate(get_user_model().objects.create_superuser("boss"))
    return client


def names(trees):
    return {tree["name"]: names(tree["children"]) for tree in trees}


class TestReads:
    def test_the_tree_is_nested_and_sorted_among_siblings(self, men):
        grow("Men", "Coats")
        grow("Women", "Shoes")
        body = APIClient().get("/categories/tree/").json()
        assert names(body) == {"Men": {"Coats": {}, "Shoes": {"Sneakers": {}}}, "Women": {"Shoes": {}}}
        assert list(names(body)["Men"]) == ["Coats", "Shoes"]

    def test_it_is_cut_at_its_depth(self):
        grow("1", "2", "3", "4", "5")
        assert names(APIClient().get("/categories/tree/").json()) == {"1": {"2": {"3": {"4": {}}}}}

    def test_children_are_those_of_one_parent(self, men):
        roots = APIClient().get("/categories/").json()
        assert [root["name"] for root in roots] == ["Men"]
        children = APIClient().get("/categories/", {"parent": men[0].pk}).json()
        assert children == [{"id": men[1].pk, "name": "Shoes", "parent": men[0].pk}]
        assert APIClient().get("/categories/", {"parent": "x"}).status_code == 400

    def test_breadcrumbs_lead_from_the_root_to_the_node(self, men):
        body = APIClient().get(f"/categories/{men[2].pk}/breadcrumbs/").json()
        assert [node["name"] for node in body] == ["Men", "Shoes", "Sneakers"]

    def test_products_below_include_those_of_the_node(self, men):
        (women,) = grow("Women")
        for name, category in [("b", men[2]), ("a", men[0]), ("c", women)]:
            Product.objects.create(name=name, category=category)
        body = APIClient().get(f"/categories/{men[0].pk}/products/").json()
        assert [product["name"] for product in body] == ["a", "b"]

    @pytest.mark.parametrize(
        ("address", "queries"),
        [("tree/", 1), ("{0}/breadcrumbs/", 3), ("{0}/products/", 3), ("?parent={0}", 1)],
    )
    def test_no_read_costs_a_query_per_node(self, address, queries, django_assert_num_queries):
        root, *_ = grow("Root", "A", "B", "C")
        for name in "DEFGHIJ":
            grow("Root", name, name * 2)
        last = Category.objects.get(name="C")
        node = last if "breadcrumbs" in address else root
        with django_assert_num_queries(queries):
            response = APIClient().get(f"/categories/{address.format(node.pk)}")
        assert response.status_code == 200


class TestMoves:
    def test_a_branch_moves_with_its_children(self, staff, men):
        (sale,) = grow("Sale")
        response = staff.patch(f"/categories/{men[1].pk}/", {"parent": sale.pk, "name": "Cheap shoes"})
        assert response.status_code == 200
        tree = nested(Category.objects.with_tree_fields())
        assert names(tree) == {"Men": {}, "Sale": {"Cheap shoes": {"Sneakers": {}}}}

    @pytest.mark.parametrize("below", [0, 1, 2])
    def test_a_cycle_is_a_400_and_changes_nothing(self, staff, men, below):
        response = staff.patch(f"/categories/{men[0].pk}/", {"parent": men[below].pk, "name": "x"})
        assert response.status_code == 400
        assert response.json() == {"parent": ["A node cannot be made a descendant of itself."]}
        men[0].refresh_from_db()
        assert (men[0].parent, men[0].name) == (None, "Men")

    def test_a_rename_alone_moves_nothing(self, staff, men):
        assert staff.patch(f"/categories/{men[1].pk}/", {"name": "Footwear"}).status_code == 200
        assert Category.objects.get(name="Footwear").parent == men[0]

    def test_strangers_read_and_do_not_write(self, men):
        assert APIClient().get(f"/categories/{men[0].pk}/").status_code == 200
        assert APIClient().patch(f"/categories/{men[0].pk}/", {"name": "x"}).status_code == 403

    @pytest.mark.django_db(transaction=True)
    def test_two_moves_at_once_do_not_close_a_circle(self):
        (a,), (b,) = grow("A"), grow("B")
        refused = []

        def other_way_round():
            try:
                move(Category.objects.get(pk=b.pk), Category.objects.get(pk=a.pk))
            except ValidationError as error:
                refused.append(error)
            finally:
                connection.close()

        second = Thread(target=other_way_round)
        with transaction.atomic(), connection.cursor() as cursor:
            move(a, b)
            second.start()
            waiting = 0
            while not waiting:
                assert second.is_alive()
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                (waiting,) = cursor.fetchone()
        second.join()
        assert len(refused) == 1
        assert Category.objects.with_tree_fields().count() == 2

    def test_a_category_with_children_is_not_deleted(self, men):
        with pytest.raises(ProtectedError):
            men[1].delete()
        men[2].delete()
        assert Category.objects.count() == 2


class TestMistakes:
    @pytest.fixture
    def recursive(self):
        class Recursive(serializers.ModelSerializer):
            class Meta:
                model = Category
                fields = ("name", "children")

            def get_fields(self):
                return super().get_fields() | {"children": Recursive(many=True)}

        return Recursive

    def test_a_recursive_serializer_asks_for_each_node(self, recursive, men):
        grow("Men", "Coats")
        with CaptureQueriesContext(connection) as queries:
            assert len(recursive(men[0]).data["children"]) == 2
        assert len(queries) == 4  # for Men, Shoes, Sneakers and Coats

    def test_and_never_comes_back_from_a_cycle(self, recursive, men):
        Category.objects.filter(pk=men[0].pk).update(parent=men[2])
        with pytest.raises(RecursionError):
            _ = recursive(men[0]).data

    def test_a_model_serializer_closes_the_circle_and_the_branch_vanishes(self, men):
        class Naive(serializers.ModelSerializer):
            class Meta:
                model = Category
                fields = ("parent",)

        naive = Naive(men[0], data={"parent": men[2].pk})
        assert naive.is_valid()
        naive.save()
        assert nested(Category.objects.with_tree_fields()) == []
        assert Category.objects.with_tree_fields().count() == 0
        assert Category.objects.count() == 3

    def test_without_the_lock_both_moves_are_found_right(self):
        (a,), (b,) = grow("A"), grow("B")
        a.parent, b.parent = b, a
        a.clean()
        b.clean()
        a.save()
        b.save()
        assert Category.objects.with_tree_fields().count() == 0

    @isolate_apps("shop")
    def test_the_parent_of_the_package_takes_the_branch_along(self):
        class Plain(TreeNode):
            class Meta:
                app_label = "shop"

        assert Plain._meta.get_field("parent").remote_field.on_delete is models.CASCADE
        with connection.schema_editor() as editor:
            editor.create_model(Plain)
        root = Plain.objects.create()
        Plain.objects.create(parent=Plain.objects.create(parent=root))
        root.delete()
        assert not Plain.objects.exists()

    def test_a_thousand_levels_break_the_renderer(self):
        deep = []
        for _ in range(1100):
            deep = [{"children": deep}]
        with pytest.raises(RecursionError):
            JSONRenderer().render(deep)

    def test_breadcrumbs_of_a_row_are_two_queries(self, men, django_assert_num_queries):
        node = Category.objects.get(pk=men[2].pk)
        with django_assert_num_queries(2):
            list(node.ancestors())

    def test_a_tree_filter_narrows_the_walk(self, men):
        grow("Women", "Shoes")
        kept = Category.objects.with_tree_fields().tree_filter(name__in=["Women", "Shoes"])
        assert names(nested(kept)) == {"Women": {"Shoes": {}}}

    def test_the_model_passes_the_checks(self):
        call_command("check", verbosity=0)
