"""Scenario 8: regressions of each kind are brought in, and the tools of the answer have to name them."""

import logging
import os
import re
import shutil
import statistics
import subprocess
import threading

import pytest
from config import timing
from django.core.management import call_command
from django.db import connection
from django.http import JsonResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer
from shop.api import OrderList, OrderSerializer
from shop.models import Item, Order
from shop.tests import OrderListBudget

pytestmark = pytest.mark.django_db


class PerRow(OrderList):
    """The regression: somebody has lost the prefetch."""

    queryset = Order.objects.all()


def recommend(order):
    score = 0
    for number in range(100_000):
        score += number * order.pk % 7
    return score


class RecommendingSerializer(OrderSerializer):
    recommended = serializers.SerializerMethodField()

    class Meta(OrderSerializer.Meta):
        fields = (*OrderSerializer.Meta.fields, "recommended")

    def get_recommended(self, order):
        return recommend(order)


class Recommending(OrderList):
    """The regression: a new feature that computes something for each row."""

    serializer_class = RecommendingSerializer


def wait_for_a_partner():
    """As an outbound call does: it takes time and no CPU."""
    threading.Event().wait(0.25)


def slow_outside(request):
    wait_for_a_partner()
    return OrderList.as_view()(request)


def slow_query(request):
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
            " SELECT max(i) FROM n"
        )
    return JsonResponse({})


@pytest.fixture
def orders():
    for number in range(20):
        order = Order.objects.create(number=f"A-{number}")
        Item.objects.create(order=order, sku="S-1")


@pytest.fixture
def serve(settings):
    """Put a view where the order list was, as a deployment does."""

    def deploy(view):
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("orders/", view)]})

    return deploy


@pytest.fixture
def measured(client, caplog):
    """The line that a request logs, as a dict."""

    def request():
        caplog.clear()
        assert client.get("/orders/").status_code == 200
        (record,) = [record for record in caplog.records if record.name == "config.timing"]
        line = dict(pair.split("=") for pair in record.getMessage().split())
        return {
            name: float(value) if name.endswith(("ms", "queries")) else value for name, value in line.items()
        }

    return request


class TestTheTimingLog:
    def test_it_names_release_and_route_and_counts_the_queries(self, orders, measured):
        line = measured()
        assert (line["release"], line["route"]) == (timing.RELEASE, "orders/")
        assert line["queries"] == 2
        assert 0 < line["db_ms"] < line["total_ms"]

    def test_it_is_logged_although_django_drops_info_by_default(self, orders, measured):
        assert logging.getLogger("config.timing").isEnabledFor(logging.INFO)
        assert not logging.getLogger("any.other").isEnabledFor(logging.INFO)

    def test_a_query_per_row_shows_in_the_count(self, orders, measured, serve):
        serve(PerRow.as_view())
        assert measured()["queries"] == 21

    def test_a_slow_query_shows_in_the_database_time(self, measured, serve):
        serve(slow_query)
        line = measured()
        assert line["queries"] == 1
        assert line["db_ms"] > 0.8 * line["total_ms"]

    def test_slow_python_shows_in_the_cpu_time(self, orders, measured, serve):
        fast = measured()
        serve(Recommending.as_view())
        slow = measured()
        assert slow["queries"] == fast["queries"]
        assert slow["cpu_ms"] > 2 * fast["cpu_ms"]

    def test_an_outbound_call_shows_in_the_total_alone(self, orders, measured, serve):
        serve(slow_outside)
        line = measured()
        assert line["queries"] == 2
        assert line["total_ms"] - line["cpu_ms"] - line["db_ms"] > 200

    def test_a_request_without_a_route_is_logged_too(self, client, caplog):
        client.get("/nowhere/")
        assert "route=-" in caplog.text


class TestTheProfile:
    @pytest.fixture(autouse=True)
    def localhost(self, settings):
        settings.ALLOWED_HOSTS = ["localhost"]

    def test_the_difference_of_two_profiles_is_led_by_what_the_new_feature_does(
        self, orders, serve, tmp_path, capsys
    ):
        before, after = str(tmp_path / "before.prof"), str(tmp_path / "after.prof")
        call_command("profile_view", "/orders/", before)
        assert capsys.readouterr().out == "status 200\n"
        serve(Recommending.as_view())
        call_command("profile_view", "/orders/", after, against=before)
        lines = capsys.readouterr().out.splitlines()[1:]
        assert len(lines) == 15
        assert re.fullmatch(rf"\+\d\.\d+ s \+20 calls {re.escape(__file__)}:recommend", lines[0])

    def test_it_can_log_in(self, orders, serve, tmp_path, capsys, django_user_model):
        django_user_model.objects.create_user("ada")
        serve(type("Private", (OrderList,), {"permission_classes": [IsAuthenticated]}).as_view())
        call_command("profile_view", "/orders/", str(tmp_path / "anonymous.prof"))
        assert capsys.readouterr().out == "status 403\n"
        call_command("profile_view", "/orders/", str(tmp_path / "ada.prof"), user="ada")
        assert capsys.readouterr().out == "status 200\n"

    def test_the_same_code_makes_the_same_calls_but_for_the_garbage_collector(self, orders, tmp_path, capsys):
        first, second = str(tmp_path / "1.prof"), str(tmp_path / "2.prof")
        call_command("profile_view", "/orders/", first)
        call_command("profile_view", "/orders/", second, against=first)
        lines = capsys.readouterr().out.splitlines()[2:]
        assert len(lines) == 15
        assert statistics.median(abs(int(line.split()[2])) for line in lines) < 3


class TestTheBudget:
    def case(self, name, client):
        case = OrderListBudget(name)
        case.client = client
        return case

    def test_a_query_per_row_breaks_it(self, client, serve):
        case = self.case("test_queries_do_not_grow_with_the_rows", client)
        case.test_queries_do_not_grow_with_the_rows()
        Order.objects.all().delete()
        serve(PerRow.as_view())
        with pytest.raises(AssertionError, match="3 != 2"):
            case.test_queries_do_not_grow_with_the_rows()

    def test_an_outbound_call_breaks_the_time_budget_and_no_query_budget(self, client, serve):
        case = self.case("test_the_fastest_of_five_is_within_200_ms", client)
        case.test_the_fastest_of_five_is_within_200_ms()
        Order.objects.all().delete()
        serve(slow_outside)
        with pytest.raises(AssertionError, match=r"not less than 0\.2"):
            case.test_the_fastest_of_five_is_within_200_ms()
        Order.objects.all().delete()
        case.test_queries_do_not_grow_with_the_rows()


class TestBisecting:
    def test_git_finds_the_commit_that_lost_the_prefetch_and_skips_one_that_does_not_start(self, tmp_path):
        """The commands are those of the answer, on seven commits of this very project."""
        project = tmp_path / "project"
        shutil.copytree(".", project, ignore=shutil.ignore_patterns("*.sqlite3", "__pycache__", "test_0*"))
        budget = shutil.move(project / "shop" / "tests.py", tmp_path / "test_budget.py")
        api = project / "shop" / "api.py"
        # Neither the repository nor the settings of whoever runs this test may have a say.
        foreign = ("GIT_", "PYTHONPATH", "DJANGO")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}

        def git(*arguments):
            who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"]
            done = subprocess.run(
                ["git", *who, *arguments],
                cwd=project,
                env=environ | {"GIT_CONFIG_GLOBAL": os.devnull},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        git("init", "--quiet")
        (project / ".gitignore").write_text("__pycache__/\n")
        good = api.read_text()
        bad = good.replace('.prefetch_related("items")', ".all()")
        assert bad != good
        for number, code in enumerate([good, good, good, "this is no Python", good, bad, bad]):
            api.write_text(f"{code}\n# commit {number}\n")
            git("add", "--all")
            git("commit", "--quiet", "--message", f"commit {number}")
        git("tag", "v4.11", "HEAD~6")
        git("tag", "v4.12")

        git("bisect", "start", "v4.12", "v4.11")
        run = f"""python manage.py check || exit 125
            python -m pytest -q --ds=config.settings {budget} -k queries"""
        output = git("bisect", "run", "sh", "-c", run)
        assert re.search(r"is the first bad commit\n.*\n\n    commit 5\n", output, re.DOTALL)
        assert "git bisect skip" in git("bisect", "log")
        git("bisect", "reset")


class TestTheToolbar:
    def test_json_has_no_body_tag_to_put_it_into_and_the_browsable_api_has(self, client, orders):
        assert b"</body>" not in client.get("/orders/").content
        html = client.get("/orders/", headers={"accept": "text/html"})
        assert isinstance(html.accepted_renderer, BrowsableAPIRenderer)
        assert b"</body>" in html.content

    def test_debug_keeps_every_query_in_memory(self, orders, settings):
        settings.DEBUG = True
        connection.queries_log.clear()
        Order.objects.count()
        assert len(connection.queries) == 1
        settings.DEBUG = False
        Order.objects.count()
        assert len(connection.queries) == 1
