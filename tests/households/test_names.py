"""Names in which something cannot be seen: refused where they are typed, and harmless in the record."""

import pytest
from django import forms
from django.test import Client
from django.urls import reverse
from django_scopes import scope

from common.errors import Invalid
from common.names import REFUSED, NameField
from devices.foreign import foreign_device_create
from devices.forms import DeviceForm
from devices.rooms import room_rename
from devices.services import room_get_or_create
from devices.sharing.forms import LoanForm
from households.accounts.forms import NameForm
from households.accounts.services import account_create
from households.forms import HouseholdForm, InviteForm, JoinForm, TokenForm
from households.people.invitations import invitation_create
from households.record.audit import AuditKind, audit_list, audit_note, audit_sentence, audit_sentences
from households.record.chain import audit_check
from households.record.file import audit_file_check, audit_line
from households.roles import Role
from households.services import api_token_create, household_create
from tests.plugin_cast import PASSWORD, Cast

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

TURNED = "\u202eneB"


def test_nobody_renames_themselves_so_that_it_reads_backwards(cast: Cast, client: Client) -> None:
    client.force_login(cast.ben.user)
    answer = client.post(reverse("households:account"), {"name": TURNED})
    assert REFUSED in answer.content.decode()
    cast.ben.user.refresh_from_db()
    assert cast.ben.user.name == "Ben"


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        (NameForm, ["name"]),
        (JoinForm, ["name"]),
        (InviteForm, ["name"]),
        (HouseholdForm, ["household_name"]),
        (TokenForm, ["name"]),
        (DeviceForm, ["name", "other_room"]),
        (LoanForm, ["name"]),
    ],
)
def test_every_form_looks_at_the_names_in_it(form: type[forms.Form], fields: list[str]) -> None:
    for name in fields:
        field = form.base_fields[name]
        assert isinstance(field, NameField)
        with pytest.raises(forms.ValidationError, match="nobody can see"):
            field.clean(TURNED)


def test_no_service_takes_such_a_name(cast: Cast) -> None:
    home = cast.anna.household
    with scope(household=home):
        room = room_get_or_create(household=home, name="Attic")
        deeds = (
            lambda: room_rename(membership=cast.anna, room=room, name=TURNED),
            lambda: room_get_or_create(household=home, name=TURNED),
            lambda: foreign_device_create(membership=cast.anna, name=TURNED, room=None),
            lambda: api_token_create(membership=cast.anna, name=TURNED),
            lambda: invitation_create(membership=cast.anna, role=Role.ADULT, name=TURNED),
            lambda: account_create(name=TURNED, email="neb@example.org", password=PASSWORD),
            lambda: household_create(user=cast.anna.user, name=TURNED, time_zone="UTC", language="en"),
        )
        for deed in deeds:
            with pytest.raises(Invalid, match="nobody can see"):
                deed()


def test_an_entry_from_before_reads_forwards_and_is_still_whole(cast: Cast) -> None:
    home = cast.anna.household
    with scope(household=home):
        entry = audit_note(home, AuditKind.REMOVED, actor=TURNED, person="דנה")
        assert audit_sentence(entry) == "neB removed \u2068דנה\u2069."
        assert entry.details["actor"] == TURNED
        assert audit_check(home).broken_at is None


def test_a_file_that_was_exported_before_still_reads_as_it_was(cast: Cast) -> None:
    home = cast.anna.household
    with scope(household=home):
        audit_note(home, AuditKind.REMOVED, actor=TURNED, person="דנה")
        audit_note(home, AuditKind.EXPORTED, actor=TURNED)
        lines = [audit_line(entry) for entry in audit_list(home).order_by("number")]
        last = audit_list(home)[0]
    assert f"{TURNED} exported this record." in audit_sentences(last)
    before = [line.replace("neB removed \u2068דנה\u2069.", f"{TURNED} removed דנה.") for line in lines]
    assert before != lines
    for file in (lines, before):
        assert audit_file_check(file).broken_at is None
