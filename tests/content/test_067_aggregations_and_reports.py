"""Scenario 67: sales are summed on PostgreSQL, at month ends, over two joins and from daily totals."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.exceptions import FieldError
from django.db.models import Avg, Sum
from django.db.models.functions import Coalesce, TruncDate, TruncMonth
from rest_framework.test import APIClient
from shop.balances import balances
from shop.models import DailyTurnover, Line, Order
from shop.reports import ZONE, monthly_turnover, with_empty_months
from shop.rollup import monthly_from_days, roll_up

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db

YEAR = (date(2026, 1, 1), date(2027, 1, 1))
# One minute before the first of February in Berlin, and one minute after.
JANUARY = datetime(2026, 1, 31, 22, 59, tzinfo=UTC)
FEBRUARY = datetime(2026, 1, 31, 23, 1, tzinfo=UTC)


def sell(paid_at, *prices):
    order = Order.objects.create(paid_at=paid_at)
    for price in prices:
        order.lines.create(quantity=1, price=Decimal(price))
    return order


def totals(rows):
    return {row["month"]: row["total"] for row in rows}


class TestMonths:
    def test_a_sale_belongs_to_the_month_of_the_books(self):
        sell(JANUARY, "1.00")
        sell(FEBRUARY, "2.00")
        assert totals(monthly_turnover(*YEAR)) == {date(2026, 1, 1): 1, date(2026, 2, 1): 2}

    def test_without_tzinfo_it_is_that_of_the_current_time_zone(self):
        sell(FEBRUARY, "2.00")
        row = Line.objects.annotate(month=TruncMonth("order__paid_at")).values("month").get()
        assert row["month"].month == 1

    def test_the_range_ends_before_the_day_that_it_names(self):
        sell(JANUARY, "1.00")
        sell(FEBRUARY, "2.00")
        assert totals(monthly_turnover(date(2026, 1, 1), date(2026, 2, 1))) == {date(2026, 1, 1): 1}

    def test_summer_time_moves_the_boundary(self):
        sell(datetime(2026, 6, 30, 22, 30, tzinfo=UTC), "3.00")
        assert totals(monthly_turnover(*YEAR)) == {date(2026, 7, 1): 3}

    def test_quantities_count_and_an_order_of_two_lines_is_one_order(self):
        order = sell(JANUARY, "1.10", "2.20")
        order.lines.update(quantity=3)
        (row,) = monthly_turnover(*YEAR)
        assert row == {"month": date(2026, 1, 1), "total": Decimal("9.90"), "orders": 1}

    def test_two_years_are_one_query(self, django_assert_num_queries):
        for month in range(1, 13):
            sell(datetime(2025, month, 15, tzinfo=UTC), "1.00")
            sell(datetime(2026, month, 15, tzinfo=UTC), "1.00")
        with django_assert_num_queries(1):
            assert len(monthly_turnover(date(2025, 1, 1), date(2027, 1, 1))) == 24

    def test_months_without_sales_are_filled_in_across_the_year(self):
        sell(JANUARY, "1.00")
        period = (date(2025, 11, 20), date(2026, 2, 2))
        rows = list(with_empty_months(monthly_turnover(*period), *period))
        assert [(row["month"].isoformat(), row["total"], row["orders"]) for row in rows] == [
            ("2025-11-01", 0, 0),
            ("2025-12-01", 0, 0),
            ("2026-01-01", 1, 1),
            ("2026-02-01", 0, 0),
        ]


class TestTwoRelations:
    @pytest.fixture
    def order(self):
        order = sell(JANUARY, "9.50", "9.50")
        order.refunds.create(amount=3)
        order.refunds.create(amount=4)
        return order

    def test_a_subquery_each_is_right(self, order, django_assert_num_queries):
        with django_assert_num_queries(1):
            (row,) = balances()
        assert (row.turnover, row.refunded) == (19, 7)

    def test_an_order_without_either_has_zeros(self):
        Order.objects.create()
        assert balances().values_list("turnover", "refunded").get() == (0, 0)

    def test_in_one_query_the_joins_double_both(self, order):
        naive = Order.objects.aggregate(turnover=Sum("lines__price"), refunded=Sum("refunds__amount"))
        assert naive == {"turnover": 38, "refunded": 14}

    def test_distinct_drops_equal_amounts(self, order):
        assert Order.objects.aggregate(sum=Sum("lines__price", distinct=True))["sum"] == Decimal("9.50")


class TestTheEndpoint:
    @pytest.fixture(autouse=True)
    def empty_cache(self):
        cache.clear()

    @pytest.fixture
    def staff(self):
        client = APIClient()
        client.force_authenticate(get_user_model()(username="boss", is_staff=True))
        return client

    def test_it_answers_one_object_per_month(self, staff):
        sell(FEBRUARY, "2.5")
        response = staff.get("/reports/turnover/", {"start": "2026-01-01", "end": "2026-03-01"})
        assert response.json() == [
            {"month": "2026-01", "total": "0.00", "orders": 0},
            {"month": "2026-02", "total": "2.50", "orders": 1},
        ]

    def test_the_second_request_costs_no_query(self, staff, django_assert_num_queries):
        first = staff.get("/reports/turnover/", {"start": "2026-01-01", "end": "2026-03-01"})
        with django_assert_num_queries(0):
            second = staff.get("/reports/turnover/", {"start": "2026-01-01", "end": "2026-03-01"})
        assert first.content == second.content

    def test_another_period_is_another_entry(self, staff):
        staff.get("/reports/turnover/", {"start": "2026-01-01", "end": "2026-03-01"})
        response = staff.get("/reports/turnover/", {"start": "2026-01-01", "end": "2026-02-01"})
        assert [row["month"] for row in response.json()] == ["2026-01"]

    def test_a_warm_cache_opens_nothing_to_others(self, staff):
        period = {"start": "2026-01-01", "end": "2026-03-01"}
        staff.get("/reports/turnover/", period)
        assert APIClient().get("/reports/turnover/", period).status_code == 403

    @pytest.mark.parametrize(
        "period",
        [
            {},
            {"start": "2026-01-01", "end": "2026-01-01"},
            {"start": "2026-02-01", "end": "2026-01-01"},
            {"start": "1900-01-01", "end": "2026-01-01"},
        ],
    )
    def test_an_unbounded_request_is_refused(self, staff, period):
        assert staff.get("/reports/turnover/", period).status_code == 400


class TestDailyTotals:
    def test_they_add_up_to_the_months(self, django_assert_num_queries):
        sell(JANUARY, "1.25")
        sell(JANUARY - timedelta(days=3), "2.50", "2.50")
        sell(FEBRUARY, "4.00")
        roll_up(*YEAR)
        assert DailyTurnover.objects.count() == 3
        with django_assert_num_queries(1):
            from_days = list(monthly_from_days(*YEAR))
        assert from_days == list(monthly_turnover(*YEAR))

    def test_a_second_run_changes_nothing(self):
        sell(JANUARY, "1.25")
        roll_up(*YEAR)
        roll_up(*YEAR)
        assert DailyTurnover.objects.get().total == Decimal("1.25")

    def test_a_late_correction_arrives_even_if_the_day_becomes_empty(self):
        order = sell(JANUARY, "1.25")
        sell(FEBRUARY, "4.00")
        roll_up(*YEAR)
        order.delete()
        roll_up(*YEAR)
        assert DailyTurnover.objects.get().day == date(2026, 2, 1)

    def test_days_outside_the_range_are_left_alone(self):
        sell(JANUARY, "1.25")
        roll_up(*YEAR)
        roll_up(date(2026, 2, 1), date(2026, 2, 10))
        assert DailyTurnover.objects.exists()


class TestMistakes:
    def test_another_order_by_splits_the_groups(self):
        sell(JANUARY, "1.00")
        sell(JANUARY - timedelta(days=1), "1.00")
        months = Line.objects.annotate(month=TruncMonth("order__paid_at", tzinfo=ZONE))
        naive = months.order_by("order__paid_at").values("month").annotate(total=Sum("price"))
        assert len(naive) == 2
        assert len(naive.order_by("month")) == 1

    def test_a_range_up_to_the_last_day_loses_that_day(self):
        sell(JANUARY, "1.00")
        first, last = (datetime(2026, 1, day, tzinfo=ZONE) for day in (1, 31))
        assert not Order.objects.filter(paid_at__range=(first, last)).exists()
        assert not Order.objects.filter(paid_at__lte=last).exists()

    def test_the_average_of_daily_averages_is_another_number(self):
        sell(JANUARY, "1.00", "1.00", "1.00")
        sell(FEBRUARY, "9.00")
        days = Line.objects.annotate(day=TruncDate("order__paid_at", tzinfo=ZONE)).values("day")
        assert days.annotate(avg=Avg("price")).aggregate(all=Avg("avg"))["all"] == 5
        assert Line.objects.aggregate(all=Avg("price"))["all"] == 3

    def test_a_sum_of_nothing_is_none_unless_told_otherwise(self):
        assert Line.objects.aggregate(total=Sum("price")) == {"total": None}
        assert Line.objects.aggregate(total=Sum("price", default=Decimal(0))) == {"total": 0}

    def test_floats_do_not_add_up(self):
        sell(JANUARY, "0.10", "0.20")
        assert sum(float(line.price) for line in Line.objects.all()) != 0.3
        assert Line.objects.aggregate(total=Sum("price"))["total"] == Decimal("0.30")

    def test_another_zone_is_another_report(self):
        sell(FEBRUARY, "1.00")
        zone = ZoneInfo("America/New_York")
        row = Line.objects.annotate(month=TruncMonth("order__paid_at", tzinfo=zone)).values("month").get()
        assert row["month"] == datetime(2026, 1, 1, tzinfo=zone)

    def test_a_default_of_another_type_wants_an_output_field(self):
        sell(JANUARY, "1.00")
        mixed = Order.objects.annotate(total=Coalesce(Sum("lines__price"), 0))
        with pytest.raises(FieldError, match=r"mixed types: DecimalField, IntegerField\. You must set"):
            mixed.get()
