"""Who belongs to the household."""

from django.urls import path

from households import homes_views
from households.people import views

app_name = "people"
urlpatterns = [
    path("", views.people, name="list"),
    path("invite/", views.invite, name="invite"),
    path("invitations/<uuid:public_id>/", views.invitation, name="invitation"),
    path("invitations/<uuid:public_id>/revoke/", views.invitation_take_back, name="invitation-revoke"),
    path("role-read/", views.role_read, name="role-read"),
    path("leave/", homes_views.leave, name="leave"),
    path("<uuid:public_id>/", views.member, name="member"),
    path("<uuid:public_id>/role/", views.change_role, name="role"),
    path("<uuid:public_id>/remove/", views.remove, name="remove"),
    path("<uuid:public_id>/hand-over/", views.hand_over, name="hand-over"),
]
