"""The history, one call, and its sound."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django_scopes import scope, scopes_disabled

from calls.models import Call, CallBreak, CallParticipant, ListeningCopy, ParticipantRole
from calls.recording.sounds import sound_key_wrap, sound_path
from calls.selectors import call_sound
from calls.workers.moves import calls_end
from common.clock import now
from devices.models import EchoRemoval
from devices.services import device_remove, device_update
from households.models import Membership, User
from protocol.messages.calls import CallOutcome, CallState
from tests.devices.adding import added_again
from tests.plugin_cast import Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

SOUND = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def own_recordings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "RECORDINGS_ROOT", tmp_path)


def _call(member: Membership, cast: Cast, outcome: CallOutcome = CallOutcome.ANSWERED) -> Call:
    device = cast.cellar if member == cast.carla else cast.kitchen
    ended = now() - timedelta(minutes=1)
    with scope(household=member.household):
        return Call.objects.create(
            household=member.household,
            device=device,
            started_by=member.user,
            state=CallState.ENDED,
            outcome=outcome,
            connected_at=ended - timedelta(seconds=92) if outcome == CallOutcome.ANSWERED else None,
            ended_at=ended,
        )


def _copy(call: Call) -> None:
    name = f"{call.public_id}/listening.m4a"
    path = sound_path(name)
    path.parent.mkdir(parents=True)
    path.write_bytes(SOUND)
    with scope(household=call.household):
        ListeningCopy.objects.create(
            household=call.household,
            call=call,
            name=name,
            duration_s=92,
            size_bytes=1,
            peaks={"caller": [], "others": []},
        )


def test_the_history_shows_how_each_call_ended(client: Client, cast: Cast) -> None:
    for outcome in CallOutcome:
        _call(cast.anna, cast, outcome)
    _call(cast.carla, cast)
    client.force_login(cast.anna.user)
    page = client.get(reverse("calls:list")).content.decode()
    for words in ("Answered", "No answer", "Declined", "Cancelled", "Busy", "Offline", "Cut off", "1:32"):
        assert words in page
    assert cast.cellar.name not in page


@pytest.mark.parametrize(
    ("reason", "was_accepted", "words"),
    [
        ("The hub was stopped or restarted.", False, "The hub was restarted"),
        ("The hub was stopped or restarted.", True, "The hub was restarted"),
        ("The part of the hub that carries the audio stopped.", True, "Cut off"),
        ("Ben is not lent this device any more.", False, "Cut off"),
        ("No audio came through.", True, "Failed"),
    ],
)
def test_a_call_that_was_cut_off_before_anybody_was_heard_is_no_failure(
    client: Client, cast: Cast, reason: str, was_accepted: bool, words: str
) -> None:
    call = _call(cast.anna, cast, CallOutcome.FAILED)
    is_failure = words == "Failed"
    with scope(household=call.household):
        accepted_at = call.ended_at if was_accepted else None
        Call.objects.filter(pk=call.pk).update(accepted_at=accepted_at, reason=reason)
    client.force_login(cast.anna.user)
    for page in (_list(client), _detail(client, call)):
        assert words in page
        assert (reason in page) is (words != "The hub was restarted"), "said once, and then in plain words"
        assert ('class="badge danger"' in page) is is_failure
    assert ('class="medallion danger"' in _list(client)) is is_failure


def test_the_reason_of_a_call_that_a_restart_ends_is_the_one_that_its_page_knows(cast: Cast) -> None:
    call = _call(cast.anna, cast)
    with scopes_disabled():
        Call.objects.filter(pk=call.pk).update(
            state="connecting", outcome="", ended_at=None, connected_at=None, accepted_at=now(), worker_id="w"
        )
        calls_end(worker_id="w")
        call.refresh_from_db()
    assert call.is_restarted


def _list(client: Client) -> str:
    return client.get(reverse("calls:list")).content.decode()


def _detail(client: Client, call: Call) -> str:
    return client.get(reverse("calls:detail", args=[call.public_id])).content.decode()


def _rename(cast: Cast, name: str) -> None:
    with scope(household=cast.anna.household):
        device_update(
            membership=cast.anna,
            device=cast.kitchen,
            name=name,
            room=cast.kitchen.room,
            is_auto_answer=True,
            echo_removal=EchoRemoval.DEVICE,
        )


def test_a_call_keeps_the_names_that_its_ends_had(client: Client, cast: Cast) -> None:
    call = _call(cast.anna, cast)
    _ends(call)
    with scope(household=call.household):
        Call.objects.filter(pk=call.pk).update(hung_up_by="callee")
        User.objects.filter(pk=cast.anna.user.pk).update(name="Annabel")
    _rename(cast, "Radio")
    client.force_login(cast.ben.user)
    Membership.objects.filter(pk=cast.ben.pk).update(role="adult")
    assert "Radio" not in _list(client)
    for page in (_list(client), _detail(client, call)):
        assert "Kitchen speaker" in page
        assert "Anna" in page
        assert "Annabel" not in page
    page = _detail(client, call)
    assert "Kitchen speaker hung up" in page
    assert "It is called Radio now." in page
    assert page.count("Radio") == 1
    assert "is called" not in _detail(client, _call(cast.anna, cast))


def test_a_device_that_is_renamed_during_a_call_has_one_name_in_all_of_it(client: Client, cast: Cast) -> None:
    call = _call(cast.anna, cast)
    _ends(call)
    with scope(household=call.household):
        Call.objects.filter(pk=call.pk).update(state=CallState.CONNECTED, ended_at=None)
    _rename(cast, "Radio")
    with scope(household=call.household):
        Call.objects.filter(pk=call.pk).update(state=CallState.ENDED, ended_at=now())
    client.force_login(cast.anna.user)
    for page in (_list(client), _detail(client, call)):
        assert "Radio" in page
        assert "Kitchen speaker" not in page


def _ends(call: Call) -> None:
    ends = (
        (ParticipantRole.CALLER, {"user": call.started_by}),
        (ParticipantRole.CALLEE, {"device": call.device}),
    )
    with scope(household=call.household):
        for role, who in ends:
            name = str(next(iter(who.values())))
            CallParticipant.objects.create(
                household=call.household, call=call, role=role, display_name=name, **who
            )


def test_a_call_that_goes_on_leads_whoever_is_in_it_to_its_own_page(client: Client, cast: Cast) -> None:
    call = _call(cast.anna, cast)
    client.force_login(cast.anna.user)
    own, record = (
        reverse(name, args=[public_id])
        for name, public_id in (("devices:call", cast.kitchen.public_id), ("calls:detail", call.public_id))
    )
    for live, caller, leads_to in (
        (True, cast.anna, own),
        (True, cast.ben, record),
        (False, cast.anna, record),
    ):
        with scope(household=call.household):
            state = CallState.CONNECTED if live else CallState.ENDED
            Call.objects.filter(pk=call.pk).update(state=state, started_by=caller.user)
        page = client.get(reverse("calls:list")).content.decode()
        assert [link in page for link in (own, record)] == [link == leads_to for link in (own, record)]


def test_the_waveform_knows_where_the_connection_was_gone(client: Client, cast: Cast) -> None:
    call = _call(cast.anna, cast)
    _copy(call)
    client.force_login(cast.anna.user)
    url = reverse("calls:detail", args=[call.public_id])
    assert "lane-break" not in client.get(url).content.decode()
    assert call.connected_at
    began_at = call.connected_at + timedelta(seconds=30)
    with scope(household=call.household):
        CallBreak.objects.create(
            household=call.household, call=call, began_at=began_at, ended_at=began_at + timedelta(seconds=4)
        )
    page = client.get(url).content.decode()
    assert '<script id="breaks" type="application/json">[[30.0, 4.0]]</script>' in page
    assert "lane-break" in page


@pytest.mark.parametrize(
    ("state", "ended_ago_s", "words"),
    [
        (CallState.CONNECTED, None, "The words are written down after the call."),
        (CallState.ENDED, 1, "The recording is being prepared. The words are written down after that."),
        (CallState.ENDED, 60, "The words are being fetched."),
    ],
)
def test_what_is_not_there_yet_is_said_in_words(
    client: Client, cast: Cast, state: CallState, ended_ago_s: int | None, words: str
) -> None:
    call = _call(cast.anna, cast)
    ended_at = now() - timedelta(seconds=ended_ago_s) if ended_ago_s else None
    with scope(household=call.household):
        Call.objects.filter(pk=call.pk).update(state=state, ended_at=ended_at)
    client.force_login(cast.anna.user)
    assert words in client.get(reverse("calls:detail", args=[call.public_id])).content.decode()


def test_the_sound_is_sent_in_parts(client: Client, cast: Cast) -> None:
    call = _call(cast.anna, cast)
    _copy(call)
    client.force_login(cast.anna.user)
    url = reverse("calls:audio", args=[call.public_id])
    assert client.get(url).getvalue() == SOUND
    part = client.get(url, headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.getvalue() == SOUND[100:200]
    assert part["Content-Range"] == f"bytes 100-199/{len(SOUND)}"
    assert "no-store" in part["Cache-Control"]
    # Python refuses to read a number of five thousand digits; that must not be an error of the hub.
    assert client.get(url, headers={"Range": f"bytes=0-{'9' * 5000}"}).status_code == 200


def test_a_recording_that_is_damaged_or_gone_is_said_in_words(client: Client, cast: Cast) -> None:
    call = _call(cast.anna, cast)
    _copy(call)
    client.force_login(cast.anna.user)
    url = reverse("calls:audio", args=[call.public_id])
    with scope(household=call.household):
        copy = ListeningCopy.objects.get(call=call)
        copy.key = sound_key_wrap(household=call.household, name=copy.name, key=bytes(32))
        copy.save()
    damaged = client.get(url)
    assert damaged.status_code == 503
    assert "is damaged" in damaged.content.decode()
    sound_path(copy.name).unlink()
    assert client.get(url).status_code == 404


def test_a_foreign_call_cannot_be_seen_or_heard(client: Client, cast: Cast) -> None:
    call = _call(cast.carla, cast)
    _copy(call)
    client.force_login(cast.anna.user)
    for name in ("detail", "player", "audio"):
        assert client.get(reverse(f"calls:{name}", args=[call.public_id])).status_code == 404


def test_a_child_hears_no_recordings(client: Client, cast: Cast) -> None:
    call = _call(cast.anna, cast)
    _copy(call)
    client.force_login(cast.ben.user)
    statuses = {
        name: client.get(reverse(f"calls:{name}", args=[call.public_id])).status_code
        for name in ("detail", "player", "audio")
    }
    assert statuses == {"detail": 404, "player": 404, "audio": 403}
    assert str(call.public_id) not in client.get(reverse("calls:list")).content.decode()


def test_the_player_asks_until_the_recording_is_there(client: Client, cast: Cast) -> None:
    call = _call(cast.anna, cast)
    client.force_login(cast.anna.user)
    url = reverse("calls:player", args=[call.public_id])
    with scope(household=call.household):
        Call.objects.filter(pk=call.pk).update(ended_at=now())
    waiting = client.get(url).content.decode()
    assert "hx-trigger" in waiting
    assert "being prepared" in waiting
    _copy(call)
    ready = client.get(url).content.decode()
    assert "hx-trigger" not in ready
    assert "call-player" in ready


def test_only_whoever_is_in_a_call_may_end_it_on_its_page(client: Client, cast: Cast) -> None:
    call = _call(cast.anna, cast)
    client.force_login(cast.anna.user)
    for member in (cast.anna, cast.ben):
        with scope(household=call.household):
            row = Call.objects.filter(pk=call.pk)
            row.update(state=CallState.CONNECTED, ended_at=None, started_by=member.user)
        page = client.get(reverse("calls:player", args=[call.public_id])).content.decode()
        assert "This call is going on right now." in page
        assert ("Hang up" in page) == (member is cast.anna)


@pytest.mark.parametrize(
    ("state", "ended_ago_s", "sound"), [(CallState.CONNECTED, None, "live"), (CallState.ENDED, 60, "none")]
)
def test_a_call_says_what_there_is_to_hear(
    cast: Cast, state: CallState, ended_ago_s: int | None, sound: str
) -> None:
    call = _call(cast.anna, cast)
    call.state, call.ended_at = state, now() - timedelta(seconds=ended_ago_s) if ended_ago_s else None
    with scope(household=call.household):
        assert call_sound(call).state == sound


@pytest.mark.parametrize("case", ["here", "removed", "added again"])
def test_a_call_with_a_device_that_was_added_again_does_not_call_it_gone(
    client: Client, cast: Cast, case: str
) -> None:
    call = _call(cast.anna, cast)
    with scope(household=cast.anna.household):
        if case == "removed":
            device_remove(membership=cast.anna, device=cast.kitchen)
    if case == "added again":
        added_again(cast, cast.kitchen, cast.anna)
    client.force_login(cast.anna.user)
    page = _detail(client, call)
    assert ("is not here any more" in page) == (case == "removed")
    assert ("Who may hear what was said with it" in page) == (case != "here")


@pytest.mark.parametrize(("member", "is_promised"), [("anna", True), ("ben", False)])
def test_the_empty_list_promises_what_this_member_may_hear(
    client: Client, cast: Cast, member: str, is_promised: bool
) -> None:
    client.force_login(getattr(cast, member).user)
    page = client.get(reverse("calls:list")).content.decode()
    assert "No calls yet" in page
    assert ("with its recording and every word that was said." in page) is is_promised
    assert ("with when it was and how long it took." in page) is not is_promised
