"""Set-up, settings."""

from django.urls import path

from households import views

app_name = "households"
urlpatterns = [
    path("setup/", views.setup, name="setup"),
    path("settings/", views.settings, name="settings"),
    path("settings/tokens/", views.token_create, name="token-create"),
    path("settings/tokens/<uuid:public_id>/revoke/", views.token_revoke, name="token-revoke"),
]
