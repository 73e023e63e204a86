"""Home, devices, claiming."""

from django.urls import path

from devices import claim_views, views, views_life

app_name = "devices"
urlpatterns = [
    path("", views.home, name="home"),
    path("claim/", claim_views.claim, name="claim"),
    path("devices/add/", claim_views.add, name="add"),
    path("devices/add/foreign/", views.add_foreign, name="add-foreign"),
    path("devices/lookup/", claim_views.lookup, name="lookup"),
    path("devices/confirm/", claim_views.confirm, name="confirm"),
    path("devices/<uuid:public_id>/", views.detail, name="detail"),
    path("devices/<uuid:public_id>/joining/", views.joining, name="joining"),
    path("devices/<uuid:public_id>/token/", views.token, name="token"),
    path("devices/<uuid:public_id>/remove/", views_life.remove, name="remove"),
    path("devices/<uuid:public_id>/key/", views_life.key, name="key"),
    path("devices/<uuid:public_id>/call/", views.call, name="call"),
]
