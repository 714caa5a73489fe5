from django.contrib import admin
from django.urls import path

from accounts.login import LoginView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("token/", LoginView.as_view()),
]
