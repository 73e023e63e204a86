"""The history."""

from django.urls import path

from calls import views

app_name = "calls"
urlpatterns = [
    path("calls/", views.history, name="list"),
    path("calls/<uuid:public_id>/", views.detail, name="detail"),
    path("calls/<uuid:public_id>/player/", views.player, name="player"),
    path("calls/<uuid:public_id>/connection/", views.connection, name="connection"),
    path("calls/<uuid:public_id>/audio/", views.audio, name="audio"),
]
