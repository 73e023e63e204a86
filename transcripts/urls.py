"""The words of a call, as a part of its page."""

from django.urls import path

from transcripts import views

app_name = "transcripts"
urlpatterns = [
    path("calls/<uuid:public_id>/transcript/", views.partial, name="partial"),
    path("calls/<uuid:public_id>/transcript/retry/", views.retry, name="retry"),
]
