from accounts.views import AccountView
from django.urls import path

urlpatterns = [path("accounts/<int:pk>/", AccountView.as_view())]
