"""Scenario 105: a real PostgreSQL is dumped, restored into an empty database and compared."""

import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from shop.models import Order

NEEDS = ("postgresql",)
pytestmark = pytest.mark.django_db(transaction=True)


def address(database, user=None):
    server = connection.settings_dict
    return {
        "host": server["HOST"],
        "port": str(server["PORT"]),
        "user": user or server["USER"],
        "dbname": database,
    }


def environment(database, user=None, **more):
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
    return {**os.environ, **{names[k]: v for k, v in address(database, user).items()}, **more}


def run(*command, env):
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def execute(database, *statements):
    with psycopg.connect(**address(database), autocommit=True) as server:
        return [server.execute(statement) for statement in statements][-1]


def rows(database):
    with psycopg.connect(**address(database)) as server:
        return server.execute("SELECT * FROM shop_order ORDER BY id").fetchall()


@pytest.fixture
def shop():
    """The name of the database, with orders in it."""
    now = timezone.now()
    Order.objects.bulk_create(Order(number=f"A-{n}", created_at=now - timedelta(hours=n)) for n in range(500))
    return connection.settings_dict["NAME"]


@pytest.fixture
def drill(shop):
    execute("postgres", "DROP DATABASE IF EXISTS shop_drill", "CREATE DATABASE shop_drill")
    yield "shop_drill"
    execute("postgres", "DROP DATABASE IF EXISTS shop_drill WITH (FORCE)")


@pytest.fixture
def reader(shop):
    drop = ("DROP ROLE IF EXISTS backup",)
    execute("postgres", *drop, Path("backup_role.sql").read_text())
    yield "backup"
    execute("postgres", *drop)


def backup(folder, database, user=None):
    return run("bash", "ops/backup.sh", str(folder), env=environment(database, user))


def dumped(folder, database):
    done = backup(folder, database)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def restore(dump, database):
    return run("bash", "ops/restore.sh", str(dump), env=environment(database))


def truncate(dump):
    """The end of the data is missing, as when the disk was full."""
    dump.write_bytes(dump.read_bytes()[:-200])


class TestTheBackup:
    def test_the_read_only_role_can_dump_it_and_can_write_nothing(self, shop, reader, tmp_path):
        assert backup(tmp_path, shop, reader).returncode == 0
        with psycopg.connect(**address(shop, reader)) as server:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                server.execute("DELETE FROM shop_order")

    def test_the_file_is_readable_for_its_owner_only(self, shop, tmp_path):
        assert stat.S_IMODE(dumped(tmp_path, shop).stat().st_mode) == 0o600

    def test_a_failed_dump_fails_and_leaves_no_backup(self, shop, tmp_path):
        assert backup(tmp_path, "no_such_database").returncode != 0
        assert list(tmp_path.iterdir()) == []

    def test_without_set_e_a_failed_dump_reports_success(self, shop, tmp_path):
        naive = f'pg_dump -Fc > "{tmp_path}/shop.dump"\necho uploaded'
        done = run("bash", "-c", naive, env=environment("no_such_database"))
        assert (done.returncode, done.stdout) == (0, "uploaded\n")
        assert (tmp_path / "shop.dump").stat().st_size == 0

    def test_a_pipe_into_gzip_hides_the_failure_from_set_e(self, shop, tmp_path):
        naive = f'pg_dump | gzip > "{tmp_path}/shop.gz"'
        env = environment("no_such_database")
        assert run("bash", "-ec", naive, env=env).returncode == 0
        assert run("bash", "-ec", f"set -o pipefail; {naive}", env=env).returncode != 0

    def test_the_list_does_not_notice_a_truncated_archive_and_reading_all_does(self, shop, tmp_path):
        dump = dumped(tmp_path, shop)
        truncate(dump)
        env = environment(shop)
        assert run("pg_restore", "--list", str(dump), env=env).returncode == 0
        assert run("pg_restore", "--file=/dev/null", str(dump), env=env).returncode != 0


class TestTheRestore:
    def test_every_row_comes_back_and_new_ids_go_on(self, shop, drill, tmp_path):
        done = restore(dumped(tmp_path, shop), drill)
        assert done.returncode == 0, done.stderr
        assert len(rows(drill)) == 500
        assert rows(drill) == rows(shop)
        new = execute(drill, "INSERT INTO shop_order (number, created_at) VALUES ('B-1', now()) RETURNING id")
        assert new.fetchone()[0] > max(row[0] for row in rows(shop))

    def test_a_file_carried_elsewhere_keeps_its_checksum(self, shop, drill, tmp_path):
        dump = dumped(tmp_path, shop)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        for file in (dump, Path(f"{dump}.sha256")):
            file.rename(elsewhere / file.name)
        assert restore(elsewhere / dump.name, drill).returncode == 0

    def test_a_damaged_file_is_refused(self, shop, drill, tmp_path):
        dump = dumped(tmp_path, shop)
        truncate(dump)
        assert restore(dump, drill).returncode != 0

    def test_a_database_with_tables_is_refused_and_left_alone(self, shop, tmp_path):
        dump = dumped(tmp_path, shop)
        Order.objects.create(number="after the dump", created_at=timezone.now())
        done = restore(dump, shop)
        assert (done.returncode, done.stderr) == (1, f"not empty: {shop}\n")
        assert Order.objects.count() == 501


class TestTheNightlyJob:
    """aws and curl are stand-ins that write down that they were called."""

    @pytest.fixture
    def night(self, tmp_path, shop):
        tools, dumps = tmp_path / "tools", tmp_path / "dumps"
        tools.mkdir()
        dumps.mkdir()
        log = tmp_path / "log"
        log.touch()

        def start(database, aws_status=0):
            for name, status in (("aws", aws_status), ("curl", 0)):
                tool = tools / name
                tool.write_text(f'#!/bin/sh\necho "{name} $*" >> {log}\nexit {status}\n')
                tool.chmod(0o755)
            env = environment(
                database,
                BACKUP_DIR=str(dumps),
                BACKUP_PING_URL="https://ping.example/shop",
                PATH=f"{tools}{os.pathsep}{os.environ['PATH']}",
            )
            return run("bash", "ops/nightly.sh", env=env).returncode, log.read_text().splitlines()

        return start

    def test_it_uploads_dump_and_checksum_encrypted_and_then_reports(self, night, shop):
        status, calls = night(shop)
        assert status == 0
        assert [call.split()[0] for call in calls] == ["aws", "aws", "curl"]
        assert ".dump s3://shop-backups/" in calls[0]
        assert ".dump.sha256 s3://shop-backups/" in calls[1]
        assert all("--sse aws:kms" in call for call in calls[:2])

    def test_a_failed_dump_uploads_nothing_and_does_not_report(self, night):
        status, calls = night("no_such_database")
        assert status != 0
        assert calls == []

    def test_a_failed_upload_does_not_report(self, night, shop):
        status, calls = night(shop, aws_status=1)
        assert status != 0
        assert [call.split()[0] for call in calls] == ["aws"]

    def test_no_script_holds_a_password(self):
        for script in Path("ops").glob("*.sh"):
            assert "PASSWORD" not in script.read_text().upper()


class TestTheDrill:
    def verify(self, database):
        where = address(database)
        url = f"postgresql://{where['user']}@{where['host']}:{where['port']}/{database}"
        env = {**os.environ, "EXAMPLE_DATABASE_URL": url}
        return run(sys.executable, "manage.py", "verify_restore", env=env)

    def test_it_passes_on_the_restored_copy(self, shop, drill, tmp_path):
        restore(dumped(tmp_path, shop), drill)
        done = self.verify(drill)
        assert done.returncode == 0, done.stderr
        assert "500 orders" in done.stdout

    def test_it_fails_when_migrations_are_missing(self, shop, drill, tmp_path):
        restore(dumped(tmp_path, shop), drill)
        execute(drill, "DELETE FROM django_migrations WHERE app = 'shop'")
        assert self.verify(drill).returncode == 1

    def test_it_fails_on_an_old_or_empty_copy(self, db):
        with pytest.raises(CommandError, match="newest order: None"):
            call_command("verify_restore")
        Order.objects.create(number="A-1", created_at=timezone.now() - timedelta(days=21))
        with pytest.raises(CommandError, match="newest order: 20"):
            call_command("verify_restore")
