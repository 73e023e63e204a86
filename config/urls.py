"""Every address of the hub."""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from announcements.api import clip_fetch
from config.health import healthz, readyz
from config.metrics import metrics
from config.status import model_download, status
from devices.claiming.api import AuthorizationCreateApi, TokenCreateApi
from signaling.whip import WhipEndpointApi, WhipSessionApi

api = [
    path("devices/authorizations", AuthorizationCreateApi.as_view(), name="device-authorizations"),
    path("devices/token", TokenCreateApi.as_view(), name="device-token"),
    path("clips/<uuid:delivery_id>", clip_fetch, name="clip"),
    path("whip", WhipEndpointApi.as_view(), name="whip"),
    path("whip/<uuid:public_id>", WhipSessionApi.as_view(), name="whip-session"),
    path("schema", SpectacularAPIView.as_view(), name="schema"),
]
urlpatterns = [
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics),
    path("api/v1/", include(api)),
    path("accounts/", include("households.accounts.urls")),
    path("status/", status, name="status"),
    path("status/models/<str:model_id>/download/", model_download, name="model-download"),
    path("", include("households.urls")),
    path("people/", include("households.people.urls")),
    path("", include("devices.urls")),
    path("", include("calls.urls")),
    path("", include("transcripts.urls")),
    path("", include("announcements.urls")),
]
