"""Scenario 38: the regression tests fail on the bug and pass on the fix, in runs of their own; naive ones do not."""

import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest
from shop import pricing, views
from shop.models import Order
from shop.tests import test_pricing

PROJECT = Path(__file__).parent
BUG = """\
from decimal import Decimal

VAT_RATE = Decimal("0.19")


def vat(net: Decimal) -> Decimal:
    return round(net * VAT_RATE, 2)
"""
GIT = ("git", "-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")


def buggy_vat(net):
    return round(net * pricing.VAT_RATE, 2)


def run(*command, cwd):
    """A run as the reader's: nothing of the measurement around this one reaches it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def run_tests(folder, *arguments):
    return run(sys.executable, "-m", "pytest", "-q", "--tb=short", "--nomigrations", *arguments, cwd=folder)


@pytest.fixture
def checkout(tmp_path):
    """The project under git: the bug is tagged v4.12, the fix and the tests are in the working tree."""
    folder = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("__pycache__", Path(__file__).name)
    shutil.copytree(PROJECT, folder, ignore=ignore)
    fix, incidents = (folder / "shop/pricing.py"), (folder / "shop/tests/test_incidents.py")
    contents = {file: file.read_text() for file in (fix, incidents)}
    fix.write_text(BUG)
    incidents.unlink()
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "Release"], ["tag", "v4.12"]):
        assert run(*GIT, *command, cwd=folder).returncode == 0
    for file, text in contents.items():
        file.write_text(text)
    return folder


class TestRedAndGreen:
    def test_the_regression_test_fails_on_the_released_code_and_passes_on_the_fix(self, checkout):
        released = checkout.parent / "released"
        added = run(*GIT, "worktree", "add", "../released", "v4.12", cwd=checkout)
        assert added.returncode == 0, added.stderr
        shutil.copy(checkout / "shop/tests/test_incidents.py", released / "shop/tests")

        red = run_tests(released, "shop/tests/test_incidents.py")
        assert red.returncode == 1, red.stdout
        assert "'vat': '0.28'" in red.stdout
        assert "1 failed" in red.stdout

        assert run(*GIT, "worktree", "remove", "--force", "../released", cwd=checkout).returncode == 0
        assert not released.exists()

        green = run_tests(checkout, "shop/tests")
        assert green.returncode == 0, green.stdout
        assert "6 passed" in green.stdout

    def test_of_the_class_of_input_the_ties_after_an_even_digit_fail_on_the_bug(self, monkeypatch):
        (cases,) = test_pricing.test_half_a_cent_of_vat_is_rounded_away_from_zero.pytestmark
        monkeypatch.setattr(test_pricing, "vat", buggy_vat)
        failed = []
        for net, expected in cases.args[1]:
            try:
                test_pricing.test_half_a_cent_of_vat_is_rounded_away_from_zero(net, expected)
            except AssertionError:
                failed.append(net)
        assert failed == ["1.50", "-1.50"]


class TestWhenTheFixMustWait:
    @pytest.fixture
    def marked(self, checkout):
        file = checkout / "shop/tests/test_incidents.py"
        mark = '    @pytest.mark.xfail(strict=True, reason="SHOP-431")\n    def test_the'
        file.write_text("import pytest\n" + file.read_text().replace("    def test_the", mark))
        return checkout

    def test_the_build_is_green_as_long_as_the_bug_is_there(self, marked):
        (marked / "shop/pricing.py").write_text(BUG)
        ran = run_tests(marked, "shop/tests/test_incidents.py")
        assert ran.returncode == 0, ran.stdout
        assert "1 xfailed" in ran.stdout

    def test_it_goes_red_on_the_day_of_the_fix(self, marked):
        ran = run_tests(marked, "shop/tests/test_incidents.py")
        assert ran.returncode == 1
        assert "XPASS(strict)" in ran.stdout
        assert "SHOP-431" in ran.stdout


class TestMistakes:
    """Each of these passes with the bug and with the fix, so it would have caught nothing."""

    @pytest.fixture(params=["bug", "fix"])
    def vat(self, request, monkeypatch):
        found = buggy_vat if request.param == "bug" else pricing.vat
        monkeypatch.setattr(views, "vat", found)
        return found

    def test_an_input_away_from_the_boundary(self, vat):
        assert vat(Decimal("100.00")) == Decimal("19.00")

    def test_a_mock_of_the_broken_part(self, vat, client, db):
        order = Order.objects.create(net="1.50")
        with mock.patch.object(views, "vat", return_value=Decimal("0.29")):
            assert client.get(f"/orders/{order.pk}/invoice/").json()["vat"] == "0.29"

    def test_the_formula_as_expected_value_agrees_with_the_bug_and_not_with_the_fix(self):
        net = Decimal("1.50")
        assert buggy_vat(net) == round(net * pricing.VAT_RATE, 2)
        assert pricing.vat(net) != round(net * pricing.VAT_RATE, 2)

    def test_a_fix_for_the_one_value_passes_the_one_test_and_fails_its_neighbour(self):
        def fixed_for_one(net):
            return Decimal("0.29") if net == Decimal("1.50") else buggy_vat(net)

        assert fixed_for_one(Decimal("1.50")) == Decimal("0.29")
        assert fixed_for_one(Decimal("-1.50")) != Decimal("-0.29")
