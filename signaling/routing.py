"""The two sockets."""

from django.urls import path

from signaling.browser import BrowserConsumer
from signaling.device import DeviceConsumer

urlpatterns = [
    path("ws/hub/", BrowserConsumer.as_asgi()),
    path("ws/device/", DeviceConsumer.as_asgi()),
]
