from django.urls import path

from plans.views import ProjectView, TaskList

urlpatterns = [
    path("projects/<int:pk>/", ProjectView.as_view(), name="project"),
    path("projects/<int:project>/tasks/", TaskList.as_view(), name="project-tasks"),
]
