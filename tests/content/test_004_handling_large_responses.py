"""Scenario 4: a list of 10,000 entries is read in pages, and a report is computed by a worker."""

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import chain

import pytest
from accounts.models import Account
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from ledger.api import EntryList, EntrySerializer
from ledger.models import Entry
from ledger.pagination import EntryPages
from reports.models import ReportJob
from reports.tasks import lowest_balance, run_report
from rest_framework import generics, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.pagination import LimitOffsetPagination, PageNumberPagination
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate

NEEDS = ("postgresql",)

ALL = 10_000

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return get_user_model().objects.create_user("ada")


@pytest.fixture
def stranger():
    return get_user_model().objects.create_user("eve")


@pytest.fixture
def client(owner):
    client = APIClient()
    client.force_authenticate(owner)
    return client


@pytest.fixture
def account():
    return Account.objects.create(name="Travel")


@pytest.fixture
def entries(owner, account):
    """250 entries, five at each moment."""
    start = timezone.now() - timedelta(days=1)
    return Entry.objects.bulk_create(
        Entry(owner=owner, account=account, amount=number, booked_at=start + timedelta(minutes=number // 5))
        for number in range(250)
    )


@pytest.fixture
def long_list(owner, account):
    """As many entries as the largest customer has, a minute apart, and as many of somebody else."""
    other = get_user_model().objects.create_user("bob")
    with connection.cursor() as cursor:
        for user in (owner, other):
            cursor.execute(
                "INSERT INTO ledger_entry (owner_id, account_id, booked_at, amount)"
                " SELECT %s, %s, timestamptz '2025-01-01' + n * interval '1 minute', n %% 7 - 3"
                " FROM generate_series(1, %s) AS n",
                [user.pk, account.pk, ALL],
            )
        cursor.execute("ANALYZE ledger_entry")


def get(view, user, query="", **actions):
    request = APIRequestFactory().get("/" + query)
    force_authenticate(request, user)
    return view.as_view(*([actions] if actions else []))(request)


def listing(pagination, **attributes):
    """The answer's view with another pagination class."""
    return type("Listing", (EntryList,), {"pagination_class": pagination, **attributes})


def by_offset(style):
    """The answer's view and order, with pages of 100 by one of the offset styles."""
    pagination = type("ByOffset", (style,), {"page_size": 100, "default_limit": 100})

    def get_queryset(view):
        return EntryList.get_queryset(view).order_by("-booked_at", "-id")

    return listing(pagination, get_queryset=get_queryset)


def ids(page):
    return [entry["id"] for entry in page["results"]]


def walk(view, user, limit):
    """The ids of each page, following `next` for at most `limit` pages."""
    query = ""
    for _ in range(limit):
        page = get(view, user, query).data
        yield ids(page)
        if page["next"] is None:
            return
        query = "?" + page["next"].partition("?")[2]


def plan(sql):
    """The nodes of the plan of a statement that is really executed."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql)
        (result,) = cursor.fetchone()
    nodes = [(json.loads(result) if isinstance(result, str) else result)[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    return nodes


def entries_read(nodes):
    reading = [node for node in nodes if node.get("Relation Name") == "ledger_entry"]
    return sum(
        node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0) for node in reading
    )


def statement(view, user, query):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = get(view, user, query).data
    return page, queries[-1]["sql"]


class TestThePages:
    def test_following_next_shows_every_entry_once_and_in_order(self, owner, entries):
        pages = list(walk(EntryList, owner, 10))
        assert [len(page) for page in pages] == [100, 100, 50]
        expected = Entry.objects.order_by("-booked_at", "-id").values_list("id", flat=True)
        assert list(chain.from_iterable(pages)) == list(expected)

    def test_an_entry_has_the_four_fields_and_nothing_else(self, client, entries):
        newest = max(entries, key=lambda entry: (entry.booked_at, entry.id))
        assert client.get("/api/entries/").json()["results"][0] == {
            "id": newest.id,
            "booked_at": newest.booked_at.isoformat().replace("+00:00", "Z"),
            "amount": "249.00",
            "account_name": "Travel",
        }

    def test_a_stranger_sees_none_and_the_anonymous_are_refused(self, stranger, entries):
        assert get(EntryList, stranger).data["results"] == []
        assert APIClient().get("/api/entries/").status_code == 403

    def test_without_a_maximum_the_client_takes_everything(self, owner, long_list):
        unlimited = type("Unlimited", (EntryPages,), {"max_page_size": None})
        assert len(ids(get(listing(unlimited), owner, "?page_size=1000000").data)) == ALL
        assert len(ids(get(EntryList, owner, "?page_size=1000000").data)) == 500

    def test_entries_that_arrive_meanwhile_are_repeated_by_numbers_but_not_by_a_cursor(
        self, owner, account, entries
    ):
        numbered = by_offset(PageNumberPagination)
        by_cursor, by_number = walk(EntryList, owner, 2), walk(numbered, owner, 2)
        seen, seen_by_number = set(next(by_cursor)), set(next(by_number))
        Entry.objects.create(owner=owner, account=account, amount=1)
        assert seen.isdisjoint(next(by_cursor))
        assert len(seen_by_number & set(next(by_number))) == 1


class TestTheCost:
    @pytest.mark.parametrize("style", [PageNumberPagination, LimitOffsetPagination])
    def test_offset_styles_count_on_each_request_and_a_cursor_does_not(self, owner, entries, style):
        with CaptureQueriesContext(connection) as queries:
            assert len(ids(get(by_offset(style), owner).data)) == 100
        assert len(queries) == 2
        assert "COUNT(*)" in queries[0]["sql"]
        with CaptureQueriesContext(connection) as queries:
            assert "count" not in get(EntryList, owner).data
        assert len(queries) == 1
        assert "COUNT(*)" not in queries[0]["sql"]

    def test_a_deep_page_reads_101_entries_by_cursor_and_all_those_before_it_by_number(
        self, owner, long_list
    ):
        page = {"next": "/?page_size=500"}
        for _ in range(15):
            page = get(EntryList, owner, "?" + page["next"].partition("?")[2]).data
        deep = "?" + page["next"].partition("?")[2].replace("page_size=500", "page_size=100")
        by_cursor, sql = statement(EntryList, owner, deep)
        nodes = plan(sql)
        assert entries_read(nodes) == 101
        assert not any("Sort" in node["Node Type"] for node in nodes)
        assert any(node.get("Index Name") == "entry_pages" for node in nodes)

        numbered = by_offset(PageNumberPagination)
        by_number, sql = statement(numbered, owner, "?page=76")
        assert ids(by_number) == ids(by_cursor)
        assert entries_read(plan(sql)) >= 7_600

    def test_without_the_index_each_page_sorts_all_entries_of_the_owner(self, owner, long_list):
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX entry_pages")
        _, sql = statement(EntryList, owner, "")
        nodes = plan(sql)
        assert any("Sort" in node["Node Type"] for node in nodes)
        assert entries_read(nodes) >= ALL

    def test_model_instances_run_a_query_for_each_account(self, owner, entries, django_assert_num_queries):
        class Naive(serializers.ModelSerializer):
            account_name = serializers.CharField(source="account.name")

            class Meta:
                model = Entry
                fields = ("id", "booked_at", "amount", "account_name")

        naive = listing(EntryPages, serializer_class=Naive)
        naive.get_queryset = lambda view: Entry.objects.filter(owner=view.request.user)
        with django_assert_num_queries(1):
            right = get(EntryList, owner).data
        with django_assert_num_queries(101):
            assert get(naive, owner).data["results"] == right["results"]

    def test_a_cached_total_is_computed_once_for_each_owner(
        self, owner, stranger, entries, django_assert_num_queries
    ):
        def total(user):
            def compute_total():
                return Entry.objects.filter(owner=user).aggregate(total=Sum("amount"))["total"]

            return cache.get_or_set(f"ledger-total:{user.pk}", compute_total, timeout=300)

        cache.clear()
        with django_assert_num_queries(2):
            assert [total(user) for user in (owner, stranger, owner, stranger)] == [31125, None, 31125, None]


class TestMistakes:
    def test_a_pagination_class_without_page_size_paginates_nothing(self, owner, entries):
        assert len(get(listing(PageNumberPagination), owner).data) == 250

    def test_an_action_is_not_paginated_until_it_calls_the_pagination_itself(self, owner, entries):
        class Entries(viewsets.GenericViewSet):
            get_queryset = EntryList.get_queryset
            serializer_class = EntrySerializer
            pagination_class = EntryPages

            @action(detail=False)
            def naive(self, request):
                return Response(self.get_serializer(self.get_queryset(), many=True).data)

            @action(detail=False)
            def right(self, request):
                page = self.paginate_queryset(self.get_queryset())
                return self.get_paginated_response(self.get_serializer(page, many=True).data)

        assert len(get(Entries, owner, get="naive").data) == 250
        assert len(get(Entries, owner, get="right").data["results"]) == 100

    def test_a_cursor_is_stuck_when_more_than_a_thousand_entries_share_the_first_value(
        self, owner, long_list
    ):
        Entry.objects.filter(owner=owner).update(booked_at=timezone.now())
        pages = list(walk(EntryList, owner, 15))
        assert len(pages) == 15
        assert pages[11] == pages[12] == pages[13] == pages[14]
        assert len(set(chain.from_iterable(pages))) == 1_100

    def test_ordered_by_the_id_alone_the_same_entries_are_all_reached(self, owner, long_list):
        Entry.objects.filter(owner=owner).update(booked_at=timezone.now())
        by_id = type("ById", (EntryPages,), {"ordering": "-id", "page_size": 500})
        pages = list(walk(listing(by_id), owner, 25))
        assert len(set(chain.from_iterable(pages))) == ALL

    def test_an_entry_whose_ordering_value_is_edited_meanwhile_is_never_shown(self, owner, entries):
        pages = walk(EntryList, owner, 10)
        first = next(pages)
        edited = Entry.objects.exclude(pk__in=first).earliest("booked_at")
        Entry.objects.filter(pk=edited.pk).update(booked_at=timezone.now())
        assert edited.pk not in chain(first, *pages)

    def test_a_client_that_iterates_the_body_gets_keys_instead_of_entries(self, owner, entries):
        class Unpaginated(generics.ListAPIView):
            get_queryset = EntryList.get_queryset
            serializer_class = EntrySerializer
            pagination_class = None

        assert [entry["account_name"] for entry in get(Unpaginated, owner).data] == ["Travel"] * 250
        assert list(get(EntryList, owner).data) == ["next", "previous", "results"]


class TestTheJob:
    @pytest.fixture
    def year(self, owner, account):
        for month, amount in enumerate([100, -250, 40, -10, 500], start=1):
            booked_at = timezone.now().replace(year=2025, month=month, day=1)
            Entry.objects.create(owner=owner, account=account, amount=amount, booked_at=booked_at)

    def test_the_client_is_told_where_to_poll_and_finds_the_result_there(
        self, client, year, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            accepted = client.post("/api/report-jobs/", {"year": 2025})
            assert accepted.status_code == 202
            assert accepted.json()["status"] == "queued"
            polled = client.get(accepted.headers["Location"]).json()
            assert (polled["status"], polled["result"]) == ("queued", None)
        polled = client.get(accepted.headers["Location"]).json()
        assert (polled["status"], polled["result"]) == ("done", {"lowest_balance": "-150.00"})

    def test_a_job_of_somebody_else_is_not_found(self, client, owner, stranger):
        job = ReportJob.objects.create(owner=stranger, year=2025)
        assert client.get(f"/api/report-jobs/{job.pk}/").status_code == 404
        job = ReportJob.objects.create(owner=owner, year=2025)
        assert client.get(f"/api/report-jobs/{job.pk}/").status_code == 200

    def test_a_request_that_cannot_be_computed_is_refused_at_once(self, client):
        assert client.post("/api/report-jobs/", {"year": 0}).status_code == 400
        assert not ReportJob.objects.exists()

    def test_a_job_that_fails_says_so_and_the_error_is_not_swallowed(self, client, owner):
        job = ReportJob.objects.create(owner=owner, year=0)
        with pytest.raises(ValueError, match="year 0 is out of range"):
            run_report(str(job.pk))
        assert client.get(f"/api/report-jobs/{job.pk}/").json()["status"] == "failed"

    def test_the_worker_holds_a_chunk_and_not_the_whole_year_in_memory(self, owner, long_list):
        def peak(compute):
            tracemalloc.start()
            compute()
            _, highest = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return highest

        naive = peak(lambda: [entry.amount for entry in Entry.objects.filter(owner=owner)])
        assert peak(lambda: lowest_balance(owner.pk, 2025)) < naive / 4

    @pytest.mark.parametrize(("disabled", "cursors"), [(False, 1), (True, 0)])
    def test_chunks_come_from_a_server_side_cursor_unless_it_is_disabled(
        self, owner, long_list, monkeypatch, disabled, cursors
    ):
        monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", disabled)
        rows = Entry.objects.filter(owner=owner).values_list("amount").iterator(chunk_size=2000)
        next(rows)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_cursors WHERE name <> ''")
            assert cursor.fetchone() == (cursors,)
        rows.close()


@pytest.mark.django_db(transaction=True)
def test_before_the_commit_a_worker_does_not_find_the_job():
    owner = get_user_model().objects.create_user("ada")

    def in_a_worker(job_id):
        try:
            run_report(job_id)
        finally:
            connection.close()

    with ThreadPoolExecutor() as workers:
        with transaction.atomic():
            job = ReportJob.objects.create(owner=owner, year=2025)
            with pytest.raises(ReportJob.DoesNotExist):
                workers.submit(in_a_worker, str(job.pk)).result()
        workers.submit(in_a_worker, str(job.pk)).result()
    job.refresh_from_db()
    assert job.status == "done"
