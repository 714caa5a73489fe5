"""Scenario 101: the workflow is read, its Django steps run, and the deploy script meets an AWS that fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


@pytest.fixture(scope="module")
def jobs():
    return yaml.safe_load(Path(".github/workflows/ci.yml").read_text())["jobs"]


def steps(job):
    return [step.get("uses") or step["run"] for step in job["steps"]]


def manage(command, **env):
    """A step's `python manage.py …`, as the runner calls it."""
    words = command.split()
    assert words[:2] == ["python", "manage.py"]
    command = [sys.executable, *words[1:]]
    return subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)


class TestTheWorkflow:
    def test_nothing_is_deployed_untested_or_from_a_pull_request(self, jobs):
        assert jobs["deploy"]["needs"] == "test"
        assert jobs["deploy"]["if"] == "github.event_name == 'push'"
        assert jobs["deploy"]["environment"] == "production"

    def test_by_default_it_may_only_read_and_only_deploy_gets_an_identity(self, jobs):
        workflow = yaml.safe_load(Path(".github/workflows/ci.yml").read_text())
        assert workflow["permissions"] == {"contents": "read"}
        assert "permissions" not in jobs["test"]
        assert jobs["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}

    def test_it_names_no_stored_secret_and_keeps_no_git_credentials(self, jobs):
        text = Path(".github/workflows/ci.yml").read_text()
        assert "{{ secrets." not in text
        assert "aws-secret-access-key" not in text
        for job in jobs.values():
            for step in job["steps"]:
                if step.get("uses", "").startswith("actions/checkout@"):
                    assert step["with"]["persist-credentials"] is False

    def test_every_action_and_image_has_a_version_and_the_image_is_the_commits(self, jobs):
        uses = [step for job in jobs.values() for step in steps(job) if "manage.py" not in step]
        actions = [use for use in uses if re.match(r"[\w-]+/[\w-]+@", use)]
        assert len(actions) == 7
        assert all(re.search(r"@(v\d+|[0-9a-f]{40})$", action) for action in actions)
        assert re.fullmatch(r"postgres:\d+", jobs["test"]["services"]["postgres"]["image"])
        assert jobs["deploy"]["env"]["IMAGE"].endswith(":${{ github.sha }}")

    def test_login_comes_before_push_and_deploy_last(self, jobs):
        names = [re.sub(r"@.*| .*", "", step) for step in steps(jobs["deploy"])]
        assert names.index("aws-actions/configure-aws-credentials") < names.index("docker/login-action")
        assert names.index("docker/login-action") < names.index("docker/build-push-action")
        assert names[-1] == "bash"


class TestItsSteps:
    def step(self, jobs, word):
        (step,) = [step for step in jobs["test"]["steps"] if word in step.get("run", "")]
        return step["run"]

    def test_a_model_without_its_migration_is_red(self, jobs):
        command = self.step(jobs, "makemigrations")
        assert manage(command).returncode == 0
        models = Path("shop/models.py")
        before = models.read_text()
        try:
            models.write_text(before + "    colour = models.CharField(max_length=9, default='')\n")
            assert manage(command).returncode == 1
        finally:
            models.write_text(before)

    def check(self, command, **more):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "DJANGO_SETTINGS_MODULE": "config.production", **more}
        return subprocess.run(["bash", "-ec", command], env=env, capture_output=True, text=True, check=False)

    def test_secure_production_settings_are_green(self, jobs):
        done = self.check(self.step(jobs, "check --deploy"))
        assert done.returncode == 0, done.stderr

    def test_insecure_production_settings_are_red(self, jobs):
        done = self.check(self.step(jobs, "check --deploy"), WITHOUT_TLS="yes")
        assert done.returncode == 1
        assert "security.W008" in done.stderr

    def test_without_the_level_warnings_stay_green_and_a_short_key_is_one(self):
        done = self.check("python manage.py check --deploy", SECRET_KEY="only-for-ci")
        assert done.returncode == 0
        assert "security.W009" in done.stderr


class TestTheDeployScript:
    """aws is a stand-in that writes down its calls and answers as the CLI's --query would."""

    AWS = """#!/bin/sh
echo "CALL $2 $*" >> "$LOG"
case "$2" in
  register-task-definition) echo arn:task:8 ;;
  run-task) echo arn:run:1 ;;
  describe-tasks) echo "$EXIT_CODE" ;;
esac
"""

    def deploy(self, folder, exit_code):
        tool, log = folder / "aws", folder / "log"
        tool.write_text(self.AWS)
        tool.chmod(0o755)
        env = {
            **os.environ,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "LOG": str(log),
            "EXIT_CODE": exit_code,
            "SUBNETS": "subnet-1",
        }
        command = ["bash", "ops/deploy.sh", "registry.example/shop:abc123"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        verbs = re.findall(r"^CALL (\S+)", log.read_text(), flags=re.MULTILINE)
        return done, verbs, log.read_text()

    def test_it_migrates_with_the_new_image_and_then_updates_the_service(self, tmp_path):
        done, verbs, log = self.deploy(tmp_path, "0")
        assert done.returncode == 0, done.stderr
        calls = ["register-task-definition", "run-task", "wait", "describe-tasks", "update-service", "wait"]
        assert verbs == calls
        assert '"migrate", "--noinput"' in log
        assert "services-stable" in log
        assert "registry.example/shop:abc123" in Path("task.json").read_text()

    @pytest.mark.parametrize("exit_code", ["1", "None"])
    def test_after_a_failed_migration_the_service_stays_as_it_was(self, tmp_path, exit_code):
        done, verbs, _ = self.deploy(tmp_path, exit_code)
        assert done.returncode == 1
        assert "update-service" not in verbs


class TestTheVersion:
    def test_production_says_which_commit_answers(self, client, monkeypatch):
        monkeypatch.setenv("RELEASE", "abc123")
        assert client.get("/version/").json() == {"release": "abc123"}
