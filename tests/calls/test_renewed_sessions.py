"""A browser whose session gets another key: its call goes on."""

import pytest
from django.test import Client
from django.urls import reverse
from django_scopes import scope
from pytest_django import DjangoCaptureOnCommitCallbacks

from calls.models import Call, CallParticipant, ParticipantRole
from common.clock import now
from households.accounts.credentials import Credential
from households.models import Membership
from households.people.invitations import invitation_create
from households.roles import Role
from protocol.messages.calls import CallState
from tests.plugin_cast import Cast, browser_of

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


def credential_of(client: Client) -> str:
    return str(Credential.of_session(client.session.session_key or ""))


def test_whoever_joins_another_home_stays_in_the_call(
    cast: Cast, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    client = browser_of(cast.anna)
    with scope(household=cast.anna.household):
        call = Call.objects.create(
            household=cast.anna.household,
            device=cast.kitchen,
            started_by=cast.anna.user,
            state=CallState.CONNECTED,
            connected_at=now(),
        )
        leg = CallParticipant.objects.create(
            household=call.household,
            call=call,
            role=ParticipantRole.CALLER,
            user=cast.anna.user,
            display_name="Anna",
            carried_by=credential_of(client),
        )
    with scope(household=cast.carla.household):
        _, token = invitation_create(membership=cast.carla, role=Role.ADULT)
    before = credential_of(client)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("households:join-accept"), {"token": token, "consent": "on"})
    assert Membership.objects.filter(user=cast.anna.user, household=cast.carla.household).exists()
    with scope(household=cast.anna.household):
        call.refresh_from_db()
        leg.refresh_from_db()
    assert call.state == CallState.CONNECTED
    assert leg.carried_by == credential_of(client) != before
