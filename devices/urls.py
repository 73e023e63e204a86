"""Home, devices, claiming."""

from django.urls import path

from devices import views
from devices.claiming import views as claim_views
from devices.life import transfer_views
from devices.life import views as life_views
from devices.sharing import views as rights_views

app_name = "devices"
urlpatterns = [
    path("", views.home, name="home"),
    path("claim/", claim_views.claim, name="claim"),
    path("devices/add/", claim_views.add, name="add"),
    path("devices/add/foreign/", views.add_foreign, name="add-foreign"),
    path("devices/lookup/", claim_views.lookup, name="lookup"),
    path("devices/confirm/", claim_views.confirm, name="confirm"),
    path("devices/refuse/", claim_views.refuse, name="refuse"),
    path("devices/<uuid:public_id>/", views.detail, name="detail"),
    path("devices/<uuid:public_id>/joining/", views.joining, name="joining"),
    path("devices/<uuid:public_id>/token/", views.token, name="token"),
    path("devices/<uuid:public_id>/token/<uuid:token_id>/", views.token_new, name="token-new"),
    path("devices/<uuid:public_id>/remove/", life_views.remove, name="remove"),
    path("devices/<uuid:public_id>/key/", life_views.key, name="key"),
    path("devices/<uuid:public_id>/give/", transfer_views.give, name="give"),
    path("devices/<uuid:public_id>/give/<uuid:transfer_id>/", transfer_views.give_link, name="give-link"),
    path("devices/<uuid:public_id>/give/cancel/", transfer_views.give_cancel, name="give-cancel"),
    path("take/", transfer_views.take, name="take"),
    path("take/accept/", transfer_views.take_accept, name="take-accept"),
    path("coming/<uuid:public_id>/", transfer_views.coming, name="coming"),
    path("coming/<uuid:public_id>/give-up/", transfer_views.coming_give_up, name="coming-give-up"),
    path("devices/<uuid:public_id>/rules/", rights_views.device_rules, name="device-rules"),
    path("devices/<uuid:public_id>/past/rules/", rights_views.device_past_rules, name="past-rules"),
    path("devices/<uuid:public_id>/lend/", rights_views.lend, name="lend"),
    path("devices/<uuid:public_id>/loans/<uuid:loan_id>/", rights_views.loan, name="loan"),
    path("devices/<uuid:public_id>/loans/<uuid:loan_id>/end/", rights_views.loan_end_now, name="loan-end"),
    path("rooms/<uuid:public_id>/", rights_views.room, name="room"),
    path("rooms/<uuid:public_id>/rules/", rights_views.room_rules, name="room-rules"),
    path("rooms/<uuid:public_id>/remove/", rights_views.room_remove_empty, name="room-remove"),
    path("devices/<uuid:public_id>/call/", views.call, name="call"),
]
