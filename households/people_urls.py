"""Who belongs to the household."""

from django.urls import path

from households import people_views as views

app_name = "people"
urlpatterns = [
    path("", views.people, name="list"),
    path("invite/", views.invite, name="invite"),
    path("invitations/<uuid:public_id>/revoke/", views.invitation_take_back, name="invitation-revoke"),
]
