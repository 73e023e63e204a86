"""Under which address a device of another maker reaches this hub."""

from django.http import HttpRequest
from django.urls import reverse

from common.links import OutsideUrl, outside_url


def whip_address(request: HttpRequest) -> OutsideUrl:
    return outside_url(request, reverse("whip"))
