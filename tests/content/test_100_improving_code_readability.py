"""Scenario 100: the nested view and the readable one agree, and the tools see what the answer says."""

import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.shortcuts import get_object_or_404
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate
from rest_framework.views import APIView
from shop import refunds, views, views_before
from shop.models import Order
from shop.refunds import NotRefundable, Refund, refund_for
from shop.tests import SameAnswerTests

BIN = Path(sys.executable).parent


@pytest.fixture
def owner(db):
    return User.objects.create_user("owner")


@pytest.fixture(params=[views_before.RefundView, views.RefundView], ids=["before", "after"])
def ask(request, owner):
    """The same tests run against the old and the new code."""

    def get(pk, user=owner):
        asked = APIRequestFactory().get("/")
        if user:
            force_authenticate(asked, user)
        response = request.param.as_view()(asked, pk=pk)
        return response.status_code, response.data

    return get


def order_of(owner, *, days=0.5, **fields):
    paid_at = timezone.now() - timedelta(days=days)
    given = {"status": "paid", "total": "20.01", "wrapping": "2.00", **fields}
    order = Order.objects.create(customer=owner, paid_at=paid_at, **given)
    order.refresh_from_db()
    return order


class TestTheSameBeforeAndAfter:
    @pytest.mark.parametrize(
        ("days", "shipped", "answer"),
        [
            (0.5, False, {"amount": "20.01", "as": "money"}),
            (0.5, True, {"amount": "18.01", "as": "money"}),
            (14.5, True, {"amount": "18.01", "as": "money"}),
            (15.5, True, {"amount": "9.005", "as": "credit"}),  # odd, and kept
            (90.5, False, {"amount": "9.005", "as": "credit"}),
        ],
    )
    def test_refunds(self, ask, owner, days, shipped, answer):
        assert ask(order_of(owner, days=days, shipped=shipped).pk) == (200, answer)

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"days": 91.5}, "Too late."),
            ({"downloaded": True}, "Already used."),
            ({"status": "open"}, "Not paid."),
            ({"status": "open", "downloaded": True, "days": 91.5}, "Not paid."),
            ({"downloaded": True, "days": 91.5}, "Already used."),
        ],
    )
    def test_refusals_and_which_comes_first(self, ask, owner, fields, reason):
        assert ask(order_of(owner, **fields).pk) == (409, {"detail": reason})

    def test_strangers_find_nothing_and_the_staff_finds_all(self, ask, owner):
        order = order_of(owner)
        stranger = User.objects.create_user("stranger")
        clerk = User.objects.create_user("clerk", is_staff=True)
        assert ask(order.pk, stranger) == ask(0) == (404, {"detail": "Not found."})
        assert ask(order.pk, clerk)[0] == 200
        assert ask(order.pk, None)[0] == 403

    def test_the_new_one_is_behind_the_url(self, owner):
        client = APIClient()
        client.force_authenticate(owner)
        assert client.get(f"/orders/{order_of(owner).pk}/refund/").json()["as"] == "money"


class TestTheComparison:
    """The table of the answer has to notice each of these slips."""

    def run(self):
        case = SameAnswerTests("test_old_and_new_agree_on_everything")
        return case.run()

    def failures(self, monkeypatch, **changes):
        for name, value in changes.items():
            monkeypatch.setattr(refunds, name, value)
        return len(self.run().failures)

    def test_it_agrees_on_144_combinations_and_an_unknown_order(self, db):
        outcome = self.run()
        assert (outcome.testsRun, outcome.failures, outcome.errors) == (1, [], [])
        assert len(list(SameAnswerTests().answers(User.objects.create_user("x"), 0))) == 2

    @pytest.mark.parametrize(
        "slip", [{"MONEY_BACK_DAYS": 13}, {"MONEY_BACK_DAYS": 15}, {"CREDIT_DAYS": 89}, {"CREDIT_DAYS": 91}]
    )
    def test_it_notices_a_limit_that_moved_by_a_day(self, db, monkeypatch, slip):
        assert self.failures(monkeypatch, **slip) > 0

    def test_it_notices_checks_in_another_order(self, db, monkeypatch):
        def swapped(order, *, now):
            if order.downloaded:
                raise NotRefundable("Already used.")
            return refund_for(order, now=now)

        monkeypatch.setattr(views, "refund_for", swapped)
        assert len(self.run().failures) > 0

    def test_it_notices_an_order_that_strangers_can_see(self, db, monkeypatch):
        monkeypatch.setattr(views.RefundView, "get_order", lambda self, pk: Order.objects.get(pk=pk))
        outcome = self.run()
        assert any("stranger" in str(case) for case, _ in outcome.failures)

    def test_the_commands_of_the_answer_show_that_it_reaches_every_branch_of_the_old_code(self, tmp_path):
        env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        env["COVERAGE_FILE"] = str(tmp_path / "data")
        for command in (
            ("run", "--branch", "--source=shop", "manage.py", "test", "shop"),
            ("report", "--include=shop/views_before.py", "--show-missing", "--fail-under=100"),
        ):
            done = subprocess.run(
                [BIN / "coverage", *command], env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
        assert "100%" in done.stdout
        assert "BrPart" in done.stdout  # branches were counted


class TestTheDecisionAlone:
    def test_it_needs_neither_database_nor_request(self):
        now = timezone.now()
        order = Order(status="paid", total=Decimal(20), wrapping=Decimal(2), paid_at=now)
        assert refund_for(order, now=now) == Refund(Decimal(20), "money")
        with pytest.raises(NotRefundable, match="Too late"):
            refund_for(order, now=now + timedelta(days=91))


class TestTheLimit:
    def ruff(self, *arguments):
        command = [BIN / "ruff", "check", "--no-cache", "--output-format=concise", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def test_the_old_view_is_over_it_and_the_new_code_is_not(self):
        assert "C901 `get` is too complex (7 > 6)" in self.ruff("shop/views_before.py")
        assert "C901" not in self.ruff("shop/views.py", "shop/refunds.py")

    def test_the_depth_of_the_old_view_is_what_a_preview_rule_sees(self):
        rule = ("--isolated", "--preview", "--select=PLR1702")
        assert "Too many nested blocks (6 > 5)" in self.ruff(*rule, "shop/views_before.py")
        assert "nested blocks" not in self.ruff(*rule, "shop/views.py", "shop/refunds.py")

    def test_the_default_is_ten(self, tmp_path):
        def findings(branches):
            tests = "".join(f"    if x == {number}:\n        return {number}\n" for number in range(branches))
            (tmp_path / "many.py").write_text(f"def f(x):\n{tests}    return None\n")
            return self.ruff("--isolated", "--select=C901", str(tmp_path / "many.py"))

        assert "C901" not in findings(9)
        assert "(11 > 10)" in findings(10)

    def test_nested_ternaries_and_boolean_operators_count_as_nothing(self, tmp_path):
        clever = tmp_path / "clever.py"
        clever.write_text(
            "def f(a, b, c, d):\n    return 1 if a and b or c else (2 if b else (3 if c and d else 4))\n"
        )
        config = "lint.mccabe.max-complexity=0"
        found = self.ruff("--isolated", "--select=C901", "--config", config, str(clever))
        assert "`f` is too complex (1 > 0)" in found


class TestMistakes:
    def test_a_tidier_comparison_of_dates_refuses_what_was_paid(self, ask, owner):
        order = order_of(owner, days=14.5)
        assert (order.paid_at >= timezone.now() - timedelta(days=14)) is False
        assert ask(order.pk)[1]["as"] == "money"

    def test_get_object_or_404_answers_with_another_body(self, ask, owner):
        class Naive(APIView):
            def get(self, request, pk):
                return Response(get_object_or_404(Order, pk=pk))

        response = Naive.as_view()(APIRequestFactory().get("/"), pk=0)
        assert (response.status_code, response.data) == (
            404,
            {"detail": "No Order matches the given query."},
        )
        assert ask(0) == (404, {"detail": "Not found."})
