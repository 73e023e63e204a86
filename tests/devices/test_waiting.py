"""Anybody may ask to be claimed: what keeps strangers from filling the hub, or from keeping a home out."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client
from django_scopes import scopes_disabled

from common.errors import NotFound
from devices.claiming import api, authorization
from devices.claiming.authorization import PollProblem, authorization_poll, authorization_start
from devices.claiming.confirmation import authorization_confirm, authorization_find
from devices.models import Device, DeviceAuthorization
from protocol.enrollment import Authorization, AuthorizationRequest
from tests.plugin_cast import Cast, csr_make

pytestmark = [pytest.mark.integration, pytest.mark.django_db]
CSR = csr_make()


@pytest.fixture(autouse=True)
def nothing_was_asked_yet() -> Iterator[None]:
    cache.clear()
    with scopes_disabled():
        yield
    cache.clear()


def ask(csr_pem: str = CSR) -> Authorization:
    request = AuthorizationRequest(csr_pem=csr_pem, model="Speaker One", serial="SN-9")
    return authorization_start(request=request, base_url="https://hub.example")


def post(client: Client, path: str, *, address: str) -> tuple[int, str]:
    answer = client.post(f"/api/v1/devices/{path}", {}, content_type="application/json", REMOTE_ADDR=address)
    return answer.status_code, answer.json().get("error", "")


def told(codes: Authorization) -> str:
    with pytest.raises(PollProblem) as problem:
        authorization_poll(device_code=codes.device_code)
    return problem.value.error


def test_a_network_asks_so_often_whatever_addresses_it_has(client: Client) -> None:
    for number in range(api.ASKED_PER_MINUTE):
        assert post(client, "authorizations", address=f"2001:db8:1:2::{number:x}")[0] == 400
    assert post(client, "authorizations", address="2001:db8:1:2:ffff::1")[0] == 429
    assert post(client, "authorizations", address="2001:db8:1:3::1")[0] == 400


def test_a_network_that_polls_too_often_is_told_to_slow_down(
    client: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "POLLED_PER_MINUTE", 3)
    codes = ask()
    body = {"device_code": codes.device_code}

    def poll(address: str) -> str:
        answer = client.post(
            "/api/v1/devices/token", body, content_type="application/json", REMOTE_ADDR=address
        )
        assert answer.status_code == 400
        return str(answer.json()["error"])

    for number in range(3):
        poll(f"2001:db8:1:2::{number:x}")
    found = authorization_find(membership=cast.anna, user_code=codes.user_code)
    authorization_confirm(
        membership=cast.anna, authorization=found, name="Hall", room=None, is_auto_answer=True
    )
    assert poll("2001:db8:1:2::9") == "slow_down"
    answer = client.post(
        "/api/v1/devices/token", body, content_type="application/json", REMOTE_ADDR="2001:db8:1:3::1"
    )
    assert answer.status_code == 200


def test_of_too_many_requests_the_oldest_are_forgotten_and_nobody_is_refused(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    DeviceAuthorization.objects.all().delete()
    monkeypatch.setattr(authorization, "WAITING_MOST", 3)
    added, forgotten = ask(csr_make()), ask()
    found = authorization_find(membership=cast.anna, user_code=added.user_code)
    device = authorization_confirm(
        membership=cast.anna, authorization=found, name="Hall", room=None, is_auto_answer=True
    )
    open_page = authorization_find(membership=cast.anna, user_code=forgotten.user_code)
    for _ in range(4):
        newest = ask()
    assert DeviceAuthorization.objects.filter(state="pending").count() == 3
    assert told(forgotten) == "expired_token", "so that the device shows another code"
    assert told(newest) == "authorization_pending"
    with pytest.raises(NotFound):
        authorization_find(membership=cast.anna, user_code=forgotten.user_code)
    with pytest.raises(NotFound, match="new one"):
        authorization_confirm(
            membership=cast.anna, authorization=open_page, name="Attic", room=None, is_auto_answer=True
        )
    assert authorization_poll(device_code=added.device_code).device_id == device.public_id
    assert not Device.objects.filter(name="Attic").exists()
