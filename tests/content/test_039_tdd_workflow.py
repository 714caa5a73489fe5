"""Scenario 39: each test is red before its cycle and green after it, and the refactoring changes nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from django.urls import path
from orders import services, views, views_after_cycle_1, views_after_cycle_3
from orders.models import Order
from orders.tests import test_cancel

PROJECT = Path(__file__).parent

OPEN = test_cancel.test_an_open_order_can_be_cancelled
SHIPPED = test_cancel.test_a_shipped_order_stays_shipped
UNKNOWN = test_cancel.test_an_unknown_order_is_404
STAGES = {
    "before": None,
    "cycle 1": views_after_cycle_1,
    "cycle 3": views_after_cycle_3,
    "refactored": views,
}


@pytest.fixture
def at(settings):
    """Make the project what it is at that stage."""

    def serve(stage):
        module = STAGES[stage]
        urls = [path("orders/<int:pk>/cancel/", module.CancelView.as_view())] if module else []
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": urls})

    return serve


@pytest.mark.django_db
class TestTheCycles:
    @pytest.mark.parametrize(
        ("test", "stage", "message"),
        [
            (OPEN, "before", "(404, 'open') == (200, 'cancelled')"),
            (SHIPPED, "cycle 1", "(200, 'cancelled') == (409, 'shipped')"),
            (UNKNOWN, "cycle 1", "200 == 404"),
        ],
    )
    def test_each_test_is_red_when_it_is_written(self, test, stage, message, at, client):
        at(stage)
        with pytest.raises(AssertionError, match=re.escape(message)):
            test(client)

    @pytest.mark.parametrize(
        ("test", "stage"),
        [
            (OPEN, "cycle 1"),
            *[(test, stage) for test in (OPEN, SHIPPED, UNKNOWN) for stage in ("cycle 3", "refactored")],
        ],
    )
    def test_it_is_green_after_its_cycle_and_stays_so(self, test, stage, at, client):
        at(stage)
        test(client)

    def test_the_refactoring_changes_nothing_that_a_client_can_see(self, at, client):
        seen = {}
        for stage in ("cycle 3", "refactored"):
            at(stage)
            orders = [Order.objects.create(), Order.objects.create(status="shipped")]
            responses = [client.post(f"/orders/{order.pk}/cancel/") for order in orders]
            seen[stage] = [(response.status_code, response.json()) for response in responses]
        assert seen["cycle 3"] == seen["refactored"]


@pytest.mark.django_db
class TestMistakes:
    def test_two_kinds_of_test_are_green_before_there_is_any_code(self, at, client):
        at("before")
        UNKNOWN(client)
        assert client.post("/orders/7/cancel/").status_code < 500

    def test_a_refactoring_that_loses_the_rule_is_noticed(self, monkeypatch, client):
        def careless(order):
            order.status = Order.Status.CANCELLED
            order.save()

        monkeypatch.setattr(services, "cancel", careless)
        OPEN(client)
        with pytest.raises(AssertionError, match="409"):
            SHIPPED(client)

    def test_a_test_of_the_inside_breaks_in_the_refactoring(self, at, client):
        def inside(client):
            order = Order.objects.create()
            with mock.patch.object(Order, "save", autospec=True) as save:
                client.post(f"/orders/{order.pk}/cancel/")
            save.assert_called_once_with(mock.ANY)

        at("cycle 3")
        inside(client)
        at("refactored")
        with pytest.raises(AssertionError, match="update_fields"):
            inside(client)


class TestInRunsOfTheirOwn:
    """What the terminal shows, in a copy of the project."""

    @pytest.fixture
    def run_at(self, tmp_path):
        def run(stage, *arguments):
            folder = tmp_path / "project"
            ignore = shutil.ignore_patterns("__pycache__", Path(__file__).name)
            shutil.copytree(PROJECT, folder, ignore=ignore, dirs_exist_ok=True)
            if stage == "before":
                (folder / "config/urls.py").write_text("urlpatterns = []\n")
            # Nothing of the measurement around this run reaches the inner one.
            environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
            return subprocess.run(
                [sys.executable, "-m", "pytest", "orders", "--reuse-db", "-x", *arguments],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )

        return run

    def test_red(self, run_at):
        red = run_at("before")
        assert red.returncode == 1
        assert "AssertionError: assert (404, 'open') == (200, 'cancelled')" in red.stdout
        assert "1 failed" in red.stdout

    def test_green_after_the_refactoring(self, run_at):
        green = run_at("refactored")
        assert green.returncode == 0, green.stdout
        assert "3 passed" in green.stdout
