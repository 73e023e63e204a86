"""Writing announcements, and what became of them."""

from django.urls import path

from announcements import views

app_name = "announcements"
urlpatterns = [
    path("announce/", views.compose, name="compose"),
    path("announce/preview/", views.preview, name="preview"),
    path("announce/send/", views.send, name="send"),
    path("announce/clips/<uuid:public_id>/", views.clip, name="clip"),
    path("announce/clips/<uuid:public_id>/audio/", views.clip_audio, name="clip-audio"),
    path("announce/<uuid:public_id>/", views.detail, name="detail"),
]
