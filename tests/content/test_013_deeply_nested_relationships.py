"""Scenario 13: five phases of ten tasks of six comments; what the whole tree costs and what the answer does."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Prefetch
from django.test.utils import CaptureQueriesContext
from plans import views
from plans.models import Comment, Phase, Project, Task
from rest_framework import generics, serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIClient, APIRequestFactory, force_authenticate

pytestmark = pytest.mark.django_db

PHASES, TASKS, COMMENTS = 5, 10, 6  # tasks per phase, comments per task


@pytest.fixture
def ann():
    return User.objects.create_user("ann")


@pytest.fixture
def project(ann):
    project = Project.objects.create(name="Bridge")
    project.members.add(ann)
    phases = Phase.objects.bulk_create(Phase(project=project, name=f"Phase {n}") for n in range(PHASES))
    tasks = Task.objects.bulk_create(
        Task(phase=phase, title=f"Task {n}", description="long " * 200, assignee=ann)
        for phase in phases
        for n in range(TASKS)
    )
    Comment.objects.bulk_create(
        Comment(task=task, author=ann, text=f"Comment {n}", internal=n == COMMENTS - 1)
        for task in tasks
        for n in range(COMMENTS)
    )
    return project


@pytest.fixture
def client(ann):
    client = APIClient()
    client.force_authenticate(ann)
    return client


def queries(work):
    with CaptureQueriesContext(connection) as captured:
        result = work()
    return len(captured), result


def nested(model, names, **declared):
    meta = type("Meta", (), {"model": model, "fields": names})
    return type(f"Nested{model.__name__}", (serializers.ModelSerializer,), {"Meta": meta, **declared})


NestedComment = nested(Comment, ["id", "author", "text"])
NestedTask = nested(
    Task, ["id", "title", "description", "assignee", "comments"], comments=NestedComment(many=True)
)
NestedPhase = nested(Phase, ["id", "name", "tasks"], tasks=NestedTask(many=True))
NestedProject = nested(Project, ["id", "name", "phases"], phases=NestedPhase(many=True))


class TestTheWholeTree:
    def test_prefetching_makes_its_queries_few_but_not_its_payload_small(self, client, project):
        def tree():
            loaded = Project.objects.prefetch_related("phases__tasks__comments").get(pk=project.pk)
            return JSONRenderer().render(NestedProject(loaded).data)

        count, body = queries(tree)
        assert count == 4
        flat = client.get(f"/projects/{project.pk}/").content
        assert len(body) > 100 * len(flat)


class TestTheAnswer:
    def test_the_project_embeds_one_bounded_level_and_links_the_rest(self, client, project):
        count, response = queries(lambda: client.get(f"/projects/{project.pk}/"))
        assert count == 2
        body = response.json()
        assert body == {
            "id": project.pk,
            "name": "Bridge",
            "phases": [
                {"id": phase.pk, "name": phase.name, "task_count": TASKS} for phase in project.phases.all()
            ],
            "tasks": f"http://testserver/projects/{project.pk}/tasks/",
        }
        assert client.get(body["tasks"]).status_code == 200

    def test_a_task_is_flat_unless_one_asks(self, client, project):
        count, response = queries(lambda: client.get(f"/projects/{project.pk}/tasks/"))
        assert count == 3  # project, count, tasks
        body = response.json()
        first = Task.objects.order_by("pk").first()
        assert body["results"][0] == {"id": first.pk, "title": "Task 0", "phase": first.phase_id}
        assert (body["count"], len(body["results"])) == (50, 50)

    def test_expanding_both_costs_one_more_query_for_all_of_them(self, client, project):
        count, response = queries(
            lambda: client.get(f"/projects/{project.pk}/tasks/?expand=comments,assignee")
        )
        assert count == 4
        task = response.json()["results"][0]
        assert task["assignee"] == "ann"
        assert [comment["text"] for comment in task["comments"]] == ["Comment 4", "Comment 3", "Comment 2"]
        assert task["comments"][0].keys() == {"id", "author", "text"}

    def test_the_sql_leaves_the_large_column_behind(self, client, project):
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/projects/{project.pk}/tasks/?expand=comments")
        assert not any("description" in query["sql"] for query in captured)
        assert not any("password" in query["sql"] for query in captured)

    @pytest.mark.parametrize("name", ["secret", "comments.author", "comments__author", "phase__project"])
    def test_what_is_not_on_the_list_is_400_with_the_list(self, client, project, name):
        response = client.get(f"/projects/{project.pk}/tasks/?expand={name}")
        assert response.status_code == 400
        assert response.json() == {"expand": f"Unknown: {name}. Allowed: assignee, comments."}

    def test_who_is_no_member_sees_neither_the_project_nor_its_tasks(self, project):
        stranger = APIClient()
        stranger.force_authenticate(User.objects.create_user("eve"))
        assert stranger.get(f"/projects/{project.pk}/").status_code == 404
        assert stranger.get(f"/projects/{project.pk}/tasks/").status_code == 404


class TestMistakes:
    def test_depth_publishes_password_hashes(self, ann, project):
        ann.set_password("change-me")
        ann.save()

        class Deep(serializers.ModelSerializer):
            class Meta:
                model = Task
                fields = ("title", "assignee")
                depth = 1

        data = Deep(Task.objects.first()).data
        assert data["assignee"]["password"] == ann.password

    def test_depth_makes_the_relation_read_only(self, project):
        class Deep(serializers.ModelSerializer):
            class Meta:
                model = Task
                fields = ("title", "phase")
                depth = 1

        serializer = Deep(data={"title": "New", "phase": 1})
        assert serializer.is_valid()
        assert "phase" not in serializer.validated_data

    def test_depth_prefetches_nothing(self, project):
        class Deep(serializers.ModelSerializer):
            class Meta:
                model = Comment
                fields = ("text", "task")
                depth = 2

        count, _ = queries(lambda: Deep(Comment.objects.all(), many=True).data)
        assert count > PHASES * TASKS * COMMENTS

    def test_a_name_taken_from_the_request_is_a_500_or_loads_anything(self, ann, project):
        class Naive(generics.ListAPIView):
            serializer_class = nested(Task, ["id"])

            def get_queryset(self):
                return Task.objects.prefetch_related(*self.request.GET["expand"].split(","))

        def ask(expand):
            request = APIRequestFactory().get("/", {"expand": expand})
            force_authenticate(request, ann)
            return Naive.as_view()(request)

        with pytest.raises(AttributeError, match="Cannot find 'typo'"):
            ask("typo")
        with CaptureQueriesContext(connection) as captured:
            assert ask("assignee__groups__permissions,comments").status_code == 200
        assert any("auth_group" in query["sql"] for query in captured)

    def test_a_sub_endpoint_without_the_parents_rule_is_open_to_strangers(self, project):
        class Naive(views.TaskList):
            def get_queryset(self):
                return Task.objects.filter(phase__project=self.kwargs["project"]).order_by("pk")

        request = APIRequestFactory().get("/")
        force_authenticate(request, User.objects.create_user("eve"))
        assert Naive.as_view()(request, project=project.pk).data["count"] == PHASES * TASKS

    def test_filtering_in_the_serializer_is_a_query_per_task(self, project):
        tasks = list(Task.objects.prefetch_related("comments"))
        count, _ = queries(lambda: [list(task.comments.filter(internal=False)) for task in tasks])
        assert count == PHASES * TASKS

    def test_only_without_the_foreign_key_is_a_query_per_comment(self, project):
        without = Prefetch("comments", queryset=Comment.objects.only("text"))
        count, _ = queries(lambda: list(Task.objects.prefetch_related(without)))
        assert count == 2 + PHASES * TASKS * COMMENTS

    def test_an_unsliced_prefetch_grows_with_the_comments(self, project):
        everything = Prefetch("comments", queryset=Comment.objects.all(), to_attr="latest_comments")
        task = Task.objects.prefetch_related(everything).first()
        assert len(task.latest_comments) == COMMENTS
        assert len(Task.objects.prefetch_related(views.LATEST_COMMENTS).first().latest_comments) == 3
