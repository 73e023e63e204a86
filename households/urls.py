"""Set-up, settings, joining."""

from django.urls import path

from households import join_views, views

app_name = "households"
urlpatterns = [
    path("setup/", views.setup, name="setup"),
    path("settings/", views.settings, name="settings"),
    path("settings/tokens/", views.token_create, name="token-create"),
    path("settings/tokens/<uuid:public_id>/revoke/", views.token_revoke, name="token-revoke"),
    path("settings/consent/", join_views.consent, name="consent"),
    path("join/", join_views.join, name="join"),
    path("join/accept/", join_views.join_accept, name="join-accept"),
]
