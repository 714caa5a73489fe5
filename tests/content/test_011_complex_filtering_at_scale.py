"""Scenario 11: 60,000 jobs on PostgreSQL are searched in many ways, and the plans are read."""

import pytest
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchQuery, SearchVector, SearchVectorField
from django.core.management import call_command
from django.db import DataError, connection, models, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext, isolate_apps
from jobs.filters import JobFilter
from jobs.models import Company, Job
from rest_framework import generics
from rest_framework.filters import SearchFilter
from rest_framework.test import APIClient, APIRequestFactory

NEEDS = ("postgresql",)

ROWS = 60_000

INSERT = """
INSERT INTO jobs_job
    (company_id, title, description, city, level, salary, skills, published, published_at)
SELECT %s,
       CASE WHEN n %% 1000 = 7 THEN 'Backend developer ' ELSE 'Sales manager ' END || n,
       CASE WHEN n %% 1000 = 7 THEN 'We build with Django and PostgreSQL.' ELSE 'We sell things.' END,
       'city ' || n %% 50,
       CASE WHEN n %% 3 = 0 THEN 'senior' ELSE 'junior' END,
       30000 + n * 7919::bigint %% 70000,
       CASE WHEN n %% 1000 = 7 THEN ARRAY['python', 'sql'] ELSE ARRAY['excel'] END,
       n %% 10 <> 0,
       timestamptz '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, %s) AS n
"""

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def django_db_setup(django_db_setup, django_db_blocker):
    """The jobs are there for every test, so that they are made once."""
    with django_db_blocker.unblock():
        company = Company.objects.create(name="Acme")
        with connection.cursor() as cursor:
            cursor.execute(INSERT, [company.pk, ROWS])
            cursor.execute("VACUUM ANALYZE jobs_job")


@pytest.fixture
def client():
    return APIClient()


def published():
    return Job.objects.filter(published=True).order_by("-published_at", "-id")


def plan(queryset):
    return queryset.explain(analyze=True, buffers=True)


def plan_of_page(client, query):
    """The plan of the very statement that the endpoint sends."""
    with CaptureQueriesContext(connection) as queries:
        response = client.get(f"/jobs/?{query}")
    assert response.status_code == 200
    (sent,) = queries
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sent['sql']}")
        return "\n".join(line for (line,) in cursor.fetchall())


class TestThePlans:
    @pytest.mark.parametrize(
        ("query", "index"),
        [
            ("q=django", "job_text"),
            ("title=kend dev", "job_title_part"),
            ("skills=python,sql", "job_skills"),
            ("city=city 7&level=senior", "job_city_level"),
            ("", "job_newest"),
        ],
    )
    def test_each_search_uses_its_index_with_no_hint(self, client, query, index):
        found = plan_of_page(client, query)
        assert index in found
        assert "Seq Scan" not in found
        assert "Buffers:" in found

    @pytest.mark.parametrize(
        ("query", "index"),
        [("q=django", "job_text"), ("title=kend dev", "job_title_part"), ("skills=python,sql", "job_skills")],
    )
    def test_without_that_index_every_row_is_looked_at(self, client, query, index):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX {index}")
            cursor.execute("DROP INDEX job_newest")
        found = plan_of_page(client, query)
        assert "Seq Scan on jobs_job" in found

    def test_the_composite_index_gives_the_order_without_a_sort(self, client):
        assert "Sort" not in plan_of_page(client, "city=city 7&level=senior")
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX job_city_level")
            cursor.execute("DROP INDEX job_newest")
            cursor.execute("CREATE INDEX naive ON jobs_job (city, level)")
        assert "Sort" in plan_of_page(client, "city=city 7&level=senior")

    def test_columns_that_follow_a_range_do_not_narrow_the_scan(self):
        jobs = published().filter(city="city 7", published_at__gte="2026-01-20T00:00Z")
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX job_city_level, job_newest")
            cursor.execute("CREATE INDEX range_first ON jobs_job (published_at, city) WHERE published")
            range_first = buffers(plan(jobs))
            cursor.execute("DROP INDEX range_first")
            cursor.execute("CREATE INDEX city_first ON jobs_job (city, published_at) WHERE published")
            city_first = buffers(plan(jobs))
        assert city_first < range_first

    def test_the_partial_index_is_smaller_and_serves_only_queries_with_its_condition(self):
        with connection.cursor() as cursor:
            cursor.execute("REINDEX INDEX job_newest")
            cursor.execute("CREATE INDEX whole ON jobs_job (published_at DESC, id DESC)")
            cursor.execute("SELECT pg_relation_size('job_newest'), pg_relation_size('whole')")
            partial, whole = cursor.fetchone()
            cursor.execute("DROP INDEX whole")
        assert partial < whole
        assert "job_newest" in plan(published()[:50])
        assert "job_newest" not in plan(Job.objects.order_by("-published_at", "-id")[:50])

    def test_rare_mixes_combine_two_indexes(self):
        with connection.cursor() as cursor:
            cursor.execute("CREATE INDEX job_salary ON jobs_job (salary)")
            cursor.execute("ANALYZE jobs_job")
        found = plan(Job.objects.filter(published=True, city="city 7", salary__range=(30000, 32000)))
        assert "BitmapAnd" in found


def buffers(text):
    return int(text.split("Buffers: shared hit=")[1].split()[0])


class TestTheInterface:
    def test_filters_combine_and_the_page_takes_one_query(self, client):
        with CaptureQueriesContext(connection) as queries:
            page = client.get("/jobs/?q=django -sales&skills=python&salary_min=60000&level=junior").json()
        assert len(queries) == 1
        assert page["results"]
        for job in page["results"]:
            assert "python" in job["skills"]
            assert (job["salary"] >= 60000, job["level"]) == (True, "junior")
        assert "COUNT" not in queries[0]["sql"]

    def test_all_the_listed_skills_are_asked_for(self, client):
        assert client.get("/jobs/?skills=python,sql").json()["results"]
        assert not client.get("/jobs/?skills=python,excel").json()["results"]

    def test_unpublished_jobs_are_never_found(self, client):
        unpublished = Job.objects.filter(published=False).first()
        page = client.get("/jobs/", {"title": unpublished.title}).json()
        assert unpublished.pk not in {job["id"] for job in page["results"]}

    @pytest.mark.parametrize(
        "query", ["salary_min=lots", "title=ab", f"q={'x' * 101}", f"skills={'x' * 201}"]
    )
    def test_bad_input_is_a_400(self, client, query):
        response = client.get(f"/jobs/?{query}")
        assert response.status_code == 400
        assert list(response.json()) == [query.partition("=")[0]]

    def test_a_misspelt_parameter_is_ignored(self, client):
        everything = client.get("/jobs/").json()["results"]
        assert client.get("/jobs/?citty=Rome").json()["results"] == everything
        assert client.get("/jobs/?city=Rome").json()["results"] == []


class TestTheMigrations:
    def test_they_match_the_model(self):
        call_command("makemigrations", "--check", "--dry-run", "jobs")


class TestMistakes:
    def test_a_trigram_index_on_the_bare_column_is_not_used_by_icontains(self):
        jobs = Job.objects.filter(title__icontains="kend dev")
        assert "job_title_part" in plan(jobs)
        naive = GinIndex(OpClass("title", name="gin_trgm_ops"), name="naive")
        with connection.cursor() as cursor, connection.schema_editor() as editor:
            cursor.execute("DROP INDEX job_title_part")
            editor.add_index(Job, naive)
        assert "Seq Scan" in plan(jobs)
        # contains is LIKE on the column itself, so there it does serve.
        assert "naive" in plan(Job.objects.filter(title__contains="kend dev"))

    def test_no_trigram_index_helps_a_term_of_two_characters(self):
        assert "Seq Scan" in plan(Job.objects.filter(title__icontains="kd"))

    def test_another_config_is_another_expression_and_misses_the_index(self):
        other = SearchVector("title", "description", config="simple")
        assert "job_text" not in plan(Job.objects.annotate(text=other).filter(text="django"))

    def test_an_or_across_tables_makes_the_indexes_useless(self):
        jobs = Job.objects.filter(Q(title__icontains="kend dev") | Q(company__name__icontains="kend dev"))
        found = plan(jobs)
        assert "job_title_part" not in found
        assert "Seq Scan on jobs_job" in found

    def test_drfs_search_filter_over_a_relation_makes_the_same_or(self):
        class Naive(generics.ListAPIView):
            queryset = Job.objects.all()
            search_fields = ("title", "company__name")

        request = Naive().initialize_request(APIRequestFactory().get("/?search=kend"))
        jobs = SearchFilter().filter_queryset(request, Job.objects.all(), Naive())
        found = plan(jobs)
        assert "job_title_part" not in found
        assert "Seq Scan on jobs_job" in found

    def test_filters_from_the_query_string_read_secrets_letter_by_letter(self, django_user_model):
        django_user_model.objects.create(username="ada", password="pbkdf2_change-me")
        naive = django_user_model.objects.filter
        assert naive(password__startswith="pbkdf2_c").exists()
        assert not naive(password__startswith="pbkdf2_x").exists()
        fields = set(JobFilter.base_filters)
        assert fields == {"skills", "salary_min", "title", "q", "city", "level"}

    def test_a_lone_bracket_breaks_a_regex_search(self):
        class Naive(generics.ListAPIView):
            search_fields = ("$title",)

        request = Naive().initialize_request(APIRequestFactory().get("/?search=("))
        jobs = SearchFilter().filter_queryset(request, Job.objects.all(), Naive())
        with pytest.raises(DataError, match="invalid regular expression"), transaction.atomic():
            list(jobs)

    def test_a_stored_vector_serves_too_but_adding_it_rewrites_the_table_under_an_exclusive_lock(self):
        with isolate_apps("jobs"):

            class Stored(models.Model):
                title = models.CharField(max_length=200)
                description = models.TextField()
                vector = models.GeneratedField(
                    expression=SearchVector("title", "description", config="english"),
                    output_field=SearchVectorField(),
                    db_persist=True,
                )

                class Meta:
                    app_label = "jobs"
                    db_table = "jobs_job"

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_relation_filenode('jobs_job')")
            before = cursor.fetchone()
            with connection.schema_editor() as editor:
                editor.add_field(Stored, Stored._meta.get_field("vector"))
                editor.add_index(Stored, GinIndex(fields=["vector"], name="stored"))
            cursor.execute("SELECT pg_relation_filenode('jobs_job')")
            assert cursor.fetchone() != before
            cursor.execute(
                "SELECT mode FROM pg_locks WHERE relation = 'jobs_job'::regclass AND pid = pg_backend_pid()"
            )
            assert ("AccessExclusiveLock",) in cursor.fetchall()
        assert "stored" in plan(Stored.objects.filter(vector=SearchQuery("django", config="english")))
