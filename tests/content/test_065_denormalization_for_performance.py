"""Scenario 65: counters and a materialized view on PostgreSQL, written past, refreshed and blocked."""

from contextlib import closing
from datetime import UTC, datetime

import pytest
from blog.comments import add_comment, drifted, remove_comment, repair
from blog.models import Author, Comment, FeedEntry, Post
from django.core.management import call_command
from django.db import DatabaseError, NotSupportedError, OperationalError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F
from django.db.models.signals import post_save

NEEDS = ("postgresql",)

pytestmark = pytest.mark.django_db


@pytest.fixture
def author():
    return Author.objects.create(name="Kim")


@pytest.fixture
def post(author):
    return Post.objects.create(author=author, title="Hello", published_at=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture
def other():
    """A second connection, which does not wait for long."""
    with closing(connection.copy()) as second:
        with second.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        yield second


def count(post):
    return Post.objects.get(pk=post.pk).comment_count


def execute(sql, on=connection):
    with on.cursor() as cursor:
        cursor.execute(sql)


class TestTheCounter:
    def test_it_follows_from_an_outdated_instance_too(self, post, author):
        Post.objects.filter(pk=post.pk).update(comment_count=5)
        add_comment(post, author, "x")
        assert count(post) == 6

    def test_removing_twice_subtracts_once(self, post, author):
        comment = add_comment(post, author, "x")
        add_comment(post, author, "y")
        same = Comment.objects.get(pk=comment.pk)
        remove_comment(comment)
        remove_comment(same)
        assert count(post) == 1

    def test_comment_and_counter_fail_together(self, post, author):
        class Stopped(Exception):
            pass

        def fail():
            with transaction.atomic():
                add_comment(post, author, "x")
                raise Stopped

        with pytest.raises(Stopped):
            fail()
        assert count(post) == 0
        assert not Comment.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_the_row_stays_locked_until_the_commit(self, post, author, other):
        with transaction.atomic():
            add_comment(post, author, "x")
            with pytest.raises(OperationalError, match="lock timeout"):
                execute("UPDATE blog_post SET comment_count = comment_count + 1", on=other)

    def test_repair_puts_right_what_is_wrong_and_only_that(self, post, author):
        right = Post.objects.create(author=author, title="Right", published_at=post.published_at)
        add_comment(right, author, "x")
        Comment.objects.bulk_create([Comment(post=post, author=author, text=str(n)) for n in range(3)])
        assert [found.pk for found in drifted()] == [post.pk]
        assert repair() == 1
        assert (count(post), count(right)) == (3, 1)
        assert repair() == 0

    @pytest.mark.django_db(transaction=True)
    def test_a_comment_during_a_repair_is_counted_on_top(self, post, author, other):
        Comment.objects.bulk_create([Comment(post=post, author=author, text="not counted")])
        with transaction.atomic():
            repair()
            insert = (
                "INSERT INTO blog_comment (post_id, author_id, text, created_at) VALUES ({}, {}, 'x', now())"
            )
            execute(insert.format(post.pk, author.pk), on=other)
            with pytest.raises(OperationalError, match="lock timeout"):
                execute("UPDATE blog_post SET comment_count = comment_count + 1", on=other)
        execute("UPDATE blog_post SET comment_count = comment_count + 1", on=other)
        assert count(post) == 2
        assert not drifted().exists()


class TestTheView:
    def test_the_models_need_no_other_migration(self):
        call_command("makemigrations", "--check", "--dry-run", verbosity=0)

    def test_a_refresh_brings_what_has_changed(self, post, author):
        call_command("refresh_feed")
        comment = add_comment(post, author, "x")
        assert FeedEntry.objects.get().comments == 0  # until the next refresh
        call_command("refresh_feed")
        entry = FeedEntry.objects.get()
        assert (entry.post_id, entry.title, entry.author_name) == (post.pk, "Hello", "Kim")
        assert (entry.comments, entry.last_comment_at) == (1, comment.created_at)

    def test_a_post_without_comments_and_a_deleted_one(self, post):
        call_command("refresh_feed")
        assert FeedEntry.objects.get().last_comment_at is None
        post.delete()
        call_command("refresh_feed")
        assert not FeedEntry.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_readers_go_on_while_it_is_refreshed(self, post, other):
        with transaction.atomic():
            call_command("refresh_feed")
            execute("SELECT * FROM blog_feed", on=other)

    @pytest.mark.django_db(transaction=True)
    def test_without_concurrently_they_wait(self, post, other):
        with transaction.atomic():
            execute("REFRESH MATERIALIZED VIEW blog_feed")
            with pytest.raises(OperationalError, match="lock timeout"):
                execute("SELECT * FROM blog_feed", on=other)

    @pytest.mark.django_db(transaction=True)
    def test_a_second_refresh_gives_up(self, post, other):
        other.set_autocommit(False)
        execute("REFRESH MATERIALIZED VIEW CONCURRENTLY blog_feed", on=other)
        with pytest.raises(OperationalError, match="lock timeout"):
            call_command("refresh_feed")
        other.rollback()
        call_command("refresh_feed")

    def test_without_a_unique_index_concurrently_is_refused(self):
        execute("DROP INDEX blog_feed_post")
        with pytest.raises(DatabaseError, match=r"cannot refresh materialized view.*concurrently") as caught:
            call_command("refresh_feed")
        assert "Create a unique index with no WHERE clause" in str(caught.value)

    @pytest.mark.django_db(transaction=True)
    def test_the_migration_goes_back_and_forth(self):
        MigrationExecutor(connection).migrate([("blog", "0001_initial")])
        assert "blog_feed" not in connection.introspection.table_names(include_views=True)
        MigrationExecutor(connection).migrate([("blog", "0002_feed")])
        assert not FeedEntry.objects.exists()


class TestMistakes:
    def test_adding_in_python_loses_one(self, post):
        first, second = Post.objects.get(), Post.objects.get()
        for request in (first, second):
            request.comment_count += 1
            request.save()
        assert count(post) == 1

    def test_signals_hear_nothing_of_bulk_and_update(self, post, author):
        def counting(instance, created, **kwargs):
            Post.objects.filter(pk=instance.post_id).update(comment_count=F("comment_count") + 1)

        post_save.connect(counting, sender=Comment)
        try:
            Comment.objects.create(post=post, author=author, text="heard")
            Comment.objects.bulk_create([Comment(post=post, author=author, text="not heard")])
        finally:
            post_save.disconnect(counting, sender=Comment)
        assert count(post) == 1

    def test_a_cascade_leaves_the_counter_behind_until_it_is_repaired(self, post):
        guest = Author.objects.create(name="Guest")
        add_comment(post, guest, "x")
        guest.delete()
        assert count(post) == 1
        assert repair() == 1
        assert count(post) == 0

    def test_a_column_of_the_view_cannot_be_altered(self):
        message = "cannot alter type of a column used by a view or rule"
        with pytest.raises(NotSupportedError, match=message):
            execute("ALTER TABLE blog_post ALTER COLUMN title TYPE varchar(300)")
