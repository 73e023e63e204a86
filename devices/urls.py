"""Home, devices, claiming."""

from django.urls import path

from devices import views

app_name = "devices"
urlpatterns = [
    path("", views.home, name="home"),
    path("claim/", views.claim, name="claim"),
    path("devices/add/", views.add, name="add"),
    path("devices/add/foreign/", views.add_foreign, name="add-foreign"),
    path("devices/lookup/", views.lookup, name="lookup"),
    path("devices/confirm/", views.confirm, name="confirm"),
    path("devices/<uuid:public_id>/", views.detail, name="detail"),
    path("devices/<uuid:public_id>/joining/", views.joining, name="joining"),
    path("devices/<uuid:public_id>/token/", views.token, name="token"),
    path("devices/<uuid:public_id>/remove/", views.remove, name="remove"),
    path("devices/<uuid:public_id>/call/", views.call, name="call"),
]
