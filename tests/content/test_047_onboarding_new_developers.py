"""Scenario 47: the set-up of the answer is run from nothing, the guide against a server, the seed data twice."""

import os
import sqlite3
import subprocess
import sys
import sysconfig
from contextlib import closing
from pathlib import Path

import pytest
import requests
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from shop.management.commands.seed import ACCOUNTS, ORDERS
from shop.models import Order

from docs import walkthrough


@pytest.fixture
def development(settings):
    settings.DEBUG = True


def test_the_setup_runs_from_nothing_and_once_more():
    # requirements-dev.txt is empty here: the packages come from this environment instead of the network.
    environment = os.environ | {"PYTHONPATH": sysconfig.get_path("purelib")}
    for _ in range(2):
        done = subprocess.run(
            ["sh", "bin/setup"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Log in as ada, grace with change-me" in done.stdout
    assert Path(".venv/bin/python").exists()
    with closing(sqlite3.connect("db.sqlite3")) as database:
        rows = database.execute("SELECT number, status FROM shop_order ORDER BY number").fetchall()
    assert rows == [("A-1", "open"), ("A-2", "paid")]


@pytest.mark.django_db
class TestTheSeedCommand:
    def test_repairs_what_was_broken_and_doubles_nothing(self, development):
        call_command("seed")
        Order.objects.filter(number="A-1").update(status="paid", quantity=99)
        User.objects.filter(username="ada").update(is_staff=True, password="forgotten")
        call_command("seed")
        assert Order.objects.count() == len(ORDERS)
        order = Order.objects.get(number="A-1")
        assert (order.status, order.quantity) == ("open", 1)
        assert not authenticate(username="ada", password="change-me").is_staff
        assert User.objects.count() == len(ACCOUNTS)

    def test_refuses_to_run_without_debug(self):
        with pytest.raises(CommandError, match="DEBUG is off"):
            call_command("seed")
        assert not User.objects.exists()

    def test_without_the_guard_the_password_of_the_repository_opens_a_staff_account(self, development):
        call_command("seed")  # as it would be in production if nothing held it back
        assert authenticate(username="grace", password="change-me").is_staff

    def test_create_fails_at_the_second_run(self):
        def naive():
            for number, values in ORDERS.items():
                Order.objects.create(number=number, **values)

        naive()
        with pytest.raises(IntegrityError):
            naive()


class TestTheWalkthrough:
    @pytest.fixture
    def server(self, live_server, development):
        call_command("seed")
        return live_server.url

    def test_shows_each_step(self, server, capsys):
        walkthrough.main(server)
        assert capsys.readouterr().out.splitlines() == [
            "2 orders, the first is A-1",
            "400 {'quantity': ['Ensure this value is greater than or equal to 1.']}",
            "The new order is paid",
        ]

    def test_runs_from_the_terminal(self, server):
        done = subprocess.run(
            [sys.executable, "docs/walkthrough.py", server], capture_output=True, text=True, check=True
        )
        assert done.stdout.endswith("The new order is paid\n")

    def test_fails_when_a_path_of_the_api_has_changed(self, server, monkeypatch):
        monkeypatch.setattr("shop.views.OrderViewSet.pay", None)
        with pytest.raises(requests.HTTPError):
            walkthrough.main(server)
