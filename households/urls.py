"""Set-up, settings, joining."""

from django.urls import path

from households import homes_views, views
from households.accounts import views as account_views
from households.accounts.tries import guarded
from households.people import join_views
from households.record import views as activity_views

app_name = "households"
urlpatterns = [
    path("setup/", views.setup, name="setup"),
    path("settings/", views.settings, name="settings"),
    path("settings/you/", account_views.account, name="account"),
    path("settings/you/email/", guarded(account_views.email), name="account-email"),
    path("settings/you/sessions/end/", account_views.sessions_end, name="sessions-end"),
    path("settings/you/sessions/<int:pk>/end/", account_views.session_end, name="session-end"),
    path("settings/tokens/", views.token_create, name="token-create"),
    path("settings/tokens/<uuid:public_id>/", views.token, name="token"),
    path("settings/tokens/<uuid:public_id>/revoke/", views.token_revoke, name="token-revoke"),
    path("settings/consent/", join_views.consent, name="consent"),
    path("homes/new/", homes_views.add, name="home-add"),
    path("homes/switch/", homes_views.switch, name="home-switch"),
    path("join/", join_views.join, name="join"),
    path("join/accept/", join_views.join_accept, name="join-accept"),
    path("activity/", activity_views.activity, name="activity"),
    path("activity/whole/", activity_views.whole, name="activity-whole"),
    path("activity/print/", activity_views.paper, name="activity-print"),
    path("activity/export/", activity_views.export, name="activity-export"),
]
