"""Scenario 31: the tables of tests hold on the feature, and each sabotage of it makes one of them fail."""

import os
import subprocess
import sys

import pytest
from rest_framework.decorators import action
from rest_framework.permissions import IsAdminUser
from rest_framework.routers import SimpleRouter
from returns.models import Order, Return
from returns.serializers import ReturnSerializer
from returns.tests import conftest, test_access, test_flow, test_input
from returns.views import ReturnViewSet

# The fixtures of the answer, for the tests of this module too.
users, client_of, body, return_id = conftest.users, conftest.client_of, conftest.body, conftest.return_id

HTTP_METHODS = {"get", "post", "put", "patch", "delete"}


def run(*command):
    """A run as the reader's: nothing of the measurement around this one reaches it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    return subprocess.run(
        [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, check=False
    )


def use_view_set(monkeypatch, view_set):
    """Make the router that the matrix looks at serve another view set."""
    router = SimpleRouter()
    router.register("returns", view_set, basename="return")
    monkeypatch.setattr(test_access, "router", router)


class TestTheMatrix:
    def test_it_has_a_cell_for_every_method_and_every_role(self):
        assert {method for _, method in test_access.EXPECTED} == HTTP_METHODS
        cells = {(route, method, role) for route, method, role, _ in test_access.CELLS}
        assert len(cells) == len(test_access.CELLS) == 7 * 4

    def test_a_new_action_fails_it_until_it_has_a_row(self, monkeypatch):
        class WithRefund(ReturnViewSet):
            @action(detail=True, methods=["post"])
            def refund(self, request, pk=None):
                raise AssertionError("never called")

        use_view_set(monkeypatch, WithRefund)
        with pytest.raises(AssertionError, match="return-refund"):
            test_access.test_every_route_and_method_is_in_the_matrix()

    def test_a_route_that_goes_away_fails_it_too(self, monkeypatch):
        class WithoutApprove(ReturnViewSet):
            approve = None

        use_view_set(monkeypatch, WithoutApprove)
        with pytest.raises(AssertionError, match="return-approve"):
            test_access.test_every_route_and_method_is_in_the_matrix()

    @pytest.mark.django_db
    def test_it_stays_complete_after_drf_has_added_head_to_the_actions(self, client_of):
        assert client_of("owner").get("/returns/").status_code == 200
        assert any("head" in pattern.callback.actions for pattern in test_access.router.urls)
        test_access.test_every_route_and_method_is_in_the_matrix()


@pytest.mark.django_db
class TestSabotage:
    def test_without_the_admin_permission_the_matrix_fails_and_the_happy_path_does_not(
        self, monkeypatch, client_of, body, return_id
    ):
        monkeypatch.setattr(IsAdminUser, "has_permission", lambda *args: True)
        assert client_of("staff").post(f"/returns/{return_id}/approve/").status_code == 200
        Return.objects.update(status=Return.Status.REQUESTED)
        with pytest.raises(AssertionError, match="200 == 403"):
            test_access.test_access("return-approve", "post", "owner", 403, client_of, body, return_id)

    def test_without_the_owners_filter_detail_and_list_fail_although_the_list_is_200_for_all(
        self, monkeypatch, client_of, body, return_id
    ):
        monkeypatch.setattr(ReturnViewSet, "get_queryset", lambda view: Return.objects.order_by("pk"))
        test_access.test_access("return-list", "get", "stranger", 200, client_of, body, return_id)
        with pytest.raises(AssertionError):
            test_access.test_a_stranger_sees_an_empty_list(client_of, return_id)
        with pytest.raises(AssertionError, match="200 == 404"):
            test_access.test_access("return-detail", "get", "stranger", 404, client_of, body, return_id)

    def test_with_put_served_again_the_matrix_fails(self, monkeypatch, client_of, body, return_id):
        monkeypatch.setattr(ReturnViewSet, "http_method_names", [*HTTP_METHODS])
        with pytest.raises(AssertionError, match="200 == 405"):
            test_access.test_access("return-detail", "put", "owner", 405, client_of, body, return_id)

    def test_a_boundary_moved_by_one_is_seen_by_the_last_allowed_value_only(
        self, monkeypatch, client_of, body
    ):
        right = ReturnSerializer.validate

        def moved(serializer, attrs):
            return right(serializer, {**attrs, "quantity": attrs["quantity"] + 1}) and attrs

        monkeypatch.setattr(ReturnSerializer, "validate", moved)
        test_input.test_bad_input_blames_its_field_and_saves_nothing("quantity", 4, client_of, dict(body))
        with pytest.raises(AssertionError, match="400"):
            test_input.test_the_last_allowed_value_is_accepted("quantity", 3, client_of, body)

    def test_a_writable_status_is_seen(self, monkeypatch, client_of, body):
        monkeypatch.setattr(ReturnSerializer.Meta, "read_only_fields", [])
        with pytest.raises(AssertionError, match="approved"):
            test_input.test_the_client_cannot_set_the_status(client_of, body)

    def test_without_select_related_the_query_count_is_seen(
        self, monkeypatch, client_of, body, django_assert_num_queries
    ):
        monkeypatch.setattr(ReturnViewSet, "get_queryset", lambda view: Return.objects.order_by("pk"))
        with pytest.raises(pytest.fail.Exception, match="Expected to perform 1 queries"):
            test_flow.test_a_longer_list_costs_no_more_queries(client_of, body, django_assert_num_queries)

    def test_a_return_that_stays_open_after_approval_is_seen(self, monkeypatch, client_of, return_id):
        monkeypatch.setattr(ReturnViewSet, "get_open_return", ReturnViewSet.get_object)
        with pytest.raises(AssertionError, match="409"):
            test_flow.test_an_approved_return_is_closed("patch", "", client_of, return_id)


@pytest.mark.django_db
class TestMistakes:
    def test_a_typo_in_the_body_gives_the_400_that_the_naive_test_waits_for(self, client_of, body):
        naive = {**body, "quantity": 4, "reson": body["reason"]}
        del naive["reason"]
        response = client_of("owner").post("/returns/", naive)
        assert response.status_code == 400
        assert "quantity" not in response.json()  # the rule on the number bought was never reached

    def test_one_bad_value_hides_another(self, client_of, body):
        Order.objects.update(items=1)
        response = client_of("owner").post("/returns/", {**body, "reason": ""})
        assert set(response.json()) == {"reason"}

    def test_the_view_set_binds_put_even_when_its_methods_leave_it_out(self):
        (detail,) = (p for p in test_access.router.urls if p.name == "return-detail")
        assert "put" in detail.callback.actions
        assert "put" not in ReturnViewSet.http_method_names


class TestCoverage:
    def test_the_whole_suite_reaches_the_threshold(self):
        ran = run("coverage", "run", "-m", "pytest", "-q", "returns")
        assert ran.returncode == 0, ran.stdout
        report = run("coverage", "report")
        assert report.returncode == 0, report.stdout
        assert "Branch" in report.stdout

    def test_below_the_threshold_the_report_exits_with_2(self):
        run("coverage", "run", "-m", "pytest", "-q", "returns", "-k", "last_allowed or empty_list")
        report = run("coverage", "report")
        assert report.returncode == 2
        assert "less than fail-under=95" in report.stdout

    def test_line_coverage_is_content_with_an_if_that_was_never_false(self, tmp_path):
        module = tmp_path / "module.py"
        module.write_text("def pay(vip):\n    if vip:\n        vip = 2\n    return vip\n\n\npay(True)\n")
        totals = []
        for options in ([], ["--branch"]):
            data = f"--data-file={tmp_path}/data{len(options)}"
            empty = f"--rcfile={tmp_path}/none"
            (tmp_path / "none").touch()
            run("coverage", "run", empty, data, *options, str(module))
            totals.append(run("coverage", "report", empty, data, "--format=total").stdout.strip())
        assert totals[0] == "100"
        assert int(totals[1]) < 100
