"""Scenario 79: requests are counted, and the alerting rules are evaluated over a burn, a calm and a blip.

Prometheus is not at hand here, so the few shapes of PromQL in the rules are computed from their definitions:
`rate` and `increase` of counters that never reset, ratios, comparisons and `and`.
"""

import re
from pathlib import Path

import pytest
import yaml
from config.slo import CLASSES
from django.test import Client
from prometheus_client import REGISTRY, Histogram

RULES = yaml.safe_load(Path("slo.rules.yml").read_text())["groups"][0]["rules"]
TESTS = yaml.safe_load(Path("slo.test.yml").read_text())["tests"]
MINUTES = {"5m": 5, "30m": 30, "1h": 60, "2h": 120, "6h": 360, "30d": 30 * 24 * 60}
SELECTOR = re.compile(r"sum\((?:rate|increase)\((\w+)(?:\{([^}]*)\})?\[(\w+)\]\)\)")


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


def counted(code):
    return REGISTRY.get_sample_value("slo_request_seconds_count", {"code": code})


def within(le, code="2xx"):
    return REGISTRY.get_sample_value("slo_request_seconds_bucket", {"code": code, "le": le})


class TestCounting:
    @pytest.mark.parametrize(("path", "code"), [("/ok/", "2xx"), ("/bad/", "4xx"), ("/broken/", "5xx")])
    def test_each_response_counts_in_its_class(self, client, path, code):
        before = {each: counted(each) for each in CLASSES}
        client.get(path)
        assert {each: counted(each) - before[each] for each in CLASSES} == {
            each: float(each == code) for each in CLASSES
        }

    def test_a_health_check_does_not_count(self, client):
        before = [counted(each) for each in CLASSES]
        assert client.get("/livez").status_code == 200
        assert [counted(each) for each in CLASSES] == before

    def test_every_class_has_a_series_before_its_first_request(self):
        assert counted("3xx") == 0

    def test_the_threshold_of_the_promise_is_a_bucket(self, client):
        before = within("0.2")
        client.get("/ok/")
        assert within("0.2") == before + 1

    def test_the_default_buckets_have_none_at_200_ms(self):
        assert 0.2 not in Histogram.DEFAULT_BUCKETS
        assert {0.1, 0.25} <= set(Histogram.DEFAULT_BUCKETS)


def samples(values):
    """Promtool's notation, one sample a minute: "0+5x2 7+0x1" is 0 5 10 7 7."""
    expanded = []
    for part in values.split():
        start, step, times = map(int, re.fullmatch(r"(\d+)\+(\d+)x(\d+)", part).groups())
        expanded += [start + step * n for n in range(times + 1)]
    return expanded


def matches(labels, wanted):
    return all(
        (labels.get(name) == value) is (operator == "=")
        for name, operator, value in re.findall(r'(\w+)(!?=)"([^"]*)"', wanted or "")
    )


def firing(series, minute):
    """The alerts that fire at that minute, given each (name, labels) with its samples."""

    def rate(match):
        name, wanted, window = match.groups()
        first = max(0, minute - MINUTES[window])
        return repr(
            sum(
                (points[minute] - points[first]) / (minute - first)
                for (each, labels), points in series.items()
                if each == name and matches(dict(labels), wanted)
            )
        )

    recorded, alerts = {}, set()
    for rule in RULES:
        expression = SELECTOR.sub(rate, rule["expr"])
        for name, value in recorded.items():
            expression = expression.replace(name, repr(value))
        value = eval(expression, {"__builtins__": {}})
        if "record" in rule:
            recorded[rule["record"]] = value
        elif value:
            alerts.add(rule["alert"])
    return alerts, recorded


def traffic(errors=0, slow=0, minutes=400, requests=10_000):
    """Per minute: so many requests, and of these so many failed or slow."""
    good = requests - errors

    def each_minute(count):
        return [count * n for n in range(minutes + 1)]

    return {
        ("slo_request_seconds_count", (("code", "2xx"),)): each_minute(good),
        ("slo_request_seconds_count", (("code", "5xx"),)): each_minute(errors),
        ("slo_request_seconds_bucket", (("code", "2xx"), ("le", "0.2"))): each_minute(good - slow),
    }


class TestTheRules:
    @pytest.mark.parametrize("case", TESTS, ids=[each["name"] for each in TESTS])
    def test_they_do_what_the_test_file_of_the_answer_expects(self, case):
        series = traffic()
        for each in case["input_series"]:
            name, labels = re.fullmatch(r"(\w+)\{(.*)\}", each["series"]).groups()
            series[name, tuple(re.findall(r'(\w+)="([^"]*)"', labels))] = samples(each["values"])
        for expected in case["alert_rule_test"]:
            alerts, _ = firing(series, MINUTES[expected["eval_time"]])
            assert (expected["alertname"] in alerts) is bool(expected["exp_alerts"])

    @pytest.mark.parametrize(
        ("errors", "slow", "expected"),
        [
            (0, 0, set()),
            (5, 50, set()),  # half of both budgets
            (70, 0, {"ErrorBudgetBurns"}),  # seven times
            (200, 0, {"ErrorBudgetBurns", "ErrorBudgetBurnsFast"}),
            (0, 1000, set()),  # ten times the latency budget: for the ticket
            (0, 2000, {"LatencyBudgetBurnsFast"}),
        ],
    )
    def test_each_alert_has_its_burn_rate(self, errors, slow, expected):
        alerts, _ = firing(traffic(errors, slow), 400)
        assert alerts == expected

    def test_the_long_window_alone_still_fires_after_the_blip(self):
        blip = TESTS[2]
        assert blip["name"] == "a blip that is over"
        series = traffic()
        for each in blip["input_series"]:
            code = re.search(r'code="(\w+)"', each["series"])[1]
            series["slo_request_seconds_count", (("code", code),)] = samples(each["values"])
        _, recorded = firing(series, 60)
        assert recorded["slo:errors:rate1h"] > 14.4 * 0.001
        assert recorded["slo:errors:rate5m"] == 0

    def test_the_budget_left_is_the_unspent_share(self):
        _, recorded = firing(traffic(errors=5), 400)
        assert recorded["slo:budget_left:30d"] == pytest.approx(0.5)


def test_the_numbers_of_the_answer():
    month = 30 * 24 * 60
    assert month * 0.001 == pytest.approx(43.2)
    assert 14.4 * 60 / month == pytest.approx(0.02)
    assert (9 * 50 + 2000) / 10 == 245
