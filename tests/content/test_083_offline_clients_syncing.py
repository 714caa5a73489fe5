"""Scenario 83: two devices, lost answers, deletions and transactions that commit out of order."""

import uuid
from threading import Event, Thread

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone
from inspections import views
from inspections.models import Inspection, Push, Team
from inspections.sync import save
from rest_framework.test import APIClient

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return Team.objects.create()


def device(team, name):
    user = get_user_model().objects.create_user(name)
    team.members.add(user)
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def phone(team):
    return device(team, "ann")


@pytest.fixture
def tablet(team):
    return device(team, "bob")


def item(**values):
    return {"push": str(uuid.uuid4()), "id": str(uuid.uuid4()), "base": 0, **values}


def push(client, *items):
    response = client.post("/sync/", {"items": items}, format="json")
    assert response.status_code == 200
    return response.json()["results"]


def pull(client, since=0):
    return client.get("/sync/", {"since": since}).json()


def run(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


class TestPull:
    def test_a_client_gets_what_came_after_its_cursor_and_nothing_twice(self, phone, tablet):
        first, second = item(note="first"), item(note="second")
        push(phone, first)
        cursor = pull(tablet)["cursor"]
        push(phone, second)
        assert pull(tablet, cursor) == {
            "changes": [{"id": second["id"], "change": 2, "deleted": False, "note": "second"}],
            "cursor": 2,
            "more": False,
        }
        assert pull(tablet, 2) == {"changes": [], "cursor": 2, "more": False}

    def test_a_deletion_made_on_one_device_reaches_the_other(self, phone, tablet):
        made = item(note="secret")
        push(phone, made)
        cursor = pull(tablet)["cursor"]
        push(phone, item(id=made["id"], base=1, deleted=True))
        assert pull(tablet, cursor)["changes"] == [{"id": made["id"], "change": 2, "deleted": True}]
        assert Inspection.objects.get().note == ""

    def test_pages_follow_each_other_without_gap(self, phone, tablet, monkeypatch):
        monkeypatch.setattr(views, "PAGE", 2)
        push(phone, item(note="1"), item(note="2"))
        push(phone, item(note="3"))
        first = pull(tablet)
        assert (len(first["changes"]), first["more"]) == (2, True)
        second = pull(tablet, first["cursor"])
        assert ([row["note"] for row in second["changes"]], second["more"]) == (["3"], False)

    def test_another_team_sees_nothing_and_a_stranger_is_refused(self, phone):
        push(phone, item(note="ours"))
        assert pull(device(Team.objects.create(), "eve"))["changes"] == []
        assert APIClient().get("/sync/").status_code == 403
        assert phone.get("/sync/?since=tuesday").status_code == 400


class TestPush:
    def test_a_retry_after_a_lost_answer_gets_the_same_answer_and_writes_nothing(self, phone, tablet):
        made = item(note="first")
        [answer] = push(phone, made)
        assert answer == {"status": "applied", "change": 1}
        push(tablet, item(id=made["id"], base=1, note="second"))
        assert push(phone, made) == [answer]
        assert Inspection.objects.get().note == "second"
        assert Team.objects.get().last_change == 2

    def test_the_edit_of_a_version_that_is_no_longer_the_newest_is_refused_and_can_be_merged(
        self, phone, tablet
    ):
        made = item(note="old")
        push(phone, made)
        push(tablet, item(id=made["id"], base=1, note="theirs"))
        [result] = push(phone, item(id=made["id"], base=1, note="mine"))
        assert result["status"] == "conflict"
        assert result["server"]["note"] == "theirs"
        merged = item(id=made["id"], base=result["server"]["change"], note="theirs, mine")
        assert push(phone, merged) == [{"status": "applied", "change": 3}]

    def test_an_edit_of_a_deleted_record_is_a_conflict(self, phone, tablet):
        made = item(note="old")
        push(phone, made)
        push(tablet, item(id=made["id"], base=1, deleted=True))
        [result] = push(phone, item(id=made["id"], base=1, note="mine"))
        assert (result["status"], result["server"]["deleted"]) == ("conflict", True)

    def test_an_edit_of_a_record_that_the_server_does_not_know_is_a_conflict(self, phone):
        assert push(phone, item(base=7, note="x")) == [{"status": "conflict", "server": None}]

    def test_one_bad_item_does_not_hold_up_the_others(self, phone):
        results = push(phone, item(note="a"), {"id": "nonsense"}, "text", item(note="b"))
        assert [result["status"] for result in results] == ["applied", "invalid", "invalid", "applied"]
        assert Inspection.objects.count() == 2

    def test_a_batch_has_a_limit(self, phone):
        assert phone.post("/sync/", {"items": [{}] * 501}, format="json").status_code == 400

    def test_the_record_of_another_team_is_neither_shown_nor_written(self, phone):
        made = item(note="ours")
        push(phone, made)
        stranger = device(Team.objects.create(), "eve")
        assert push(stranger, item(id=made["id"], base=1, note="hacked")) == [{"status": "invalid"}]
        assert Inspection.objects.get().note == "ours"
        assert Push.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestTransactionsThatCommitLate:
    """One writer has written and not yet committed when a client pulls."""

    @pytest.fixture
    def late(self, team):
        """Runs a function in a transaction of another connection; it commits when told to."""
        written, commit, threads = Event(), Event(), []

        def start(function):
            def write():
                try:
                    with transaction.atomic():
                        function()
                        written.set()
                        commit.wait(timeout=10)
                finally:
                    connection.close()

            threads.append(Thread(target=write))
            threads[0].start()
            assert written.wait(timeout=10)

        def finish():
            commit.set()
            threads[0].join(timeout=10)
            assert not threads[0].is_alive()

        start.finish = finish
        yield start
        finish()

    def test_a_timestamp_misses_the_row_for_good(self, late):
        table = "CREATE TABLE naive (note text, updated_at timestamptz DEFAULT clock_timestamp())"
        changed = "SELECT note FROM naive WHERE updated_at > %s"
        with connection.cursor() as cursor:
            cursor.execute(table)
            late(lambda: run("INSERT INTO naive (note) VALUES ('late')"))
            assert cursor.execute("SELECT note FROM naive").fetchall() == []
            last_sync = timezone.now()
            late.finish()
            assert cursor.execute("SELECT note FROM naive").fetchall() == [("late",)]
            assert cursor.execute(changed, [last_sync]).fetchall() == []
            cursor.execute("DROP TABLE naive")

    def test_a_sequence_misses_it_too(self, late):
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE naive (note text, change bigserial)")
            late(lambda: run("INSERT INTO naive (note) VALUES ('late')"))
            cursor.execute("INSERT INTO naive (note) VALUES ('quick')")
            assert cursor.execute("SELECT max(change) FROM naive").fetchall() == [(2,)]
            late.finish()
            assert cursor.execute("SELECT note FROM naive WHERE change > 2").fetchall() == []
            cursor.execute("DROP TABLE naive")

    def test_the_next_number_waits_until_the_one_before_is_visible(self, team, late):
        late(lambda: save(team.pk, Inspection(), note="late"))
        done = Event()

        def write():
            try:
                save(team.pk, Inspection(), note="next")
                done.set()
            finally:
                connection.close()

        thread = Thread(target=write)
        thread.start()
        assert not done.wait(timeout=0.5)
        assert not Inspection.objects.exists()
        late.finish()
        thread.join(timeout=10)
        assert list(Inspection.objects.order_by("change").values_list("change", "note")) == [
            (1, "late"),
            (2, "next"),
        ]


class TestMistakes:
    @pytest.mark.parametrize("bypass", ["delete", "update"])
    def test_what_bypasses_the_number_never_arrives(self, phone, tablet, bypass):
        push(phone, item(note="old"))
        cursor = pull(tablet)["cursor"]
        if bypass == "delete":
            Inspection.objects.get().delete()
        else:
            Inspection.objects.update(note="new")
        assert pull(tablet, cursor)["changes"] == []
