"""One row of a household in every table that the second wall keeps."""

from datetime import timedelta

from django_scopes import scope

from announcements.models import AnnouncementDelivery, SpeechClip
from announcements.services import announcement_send
from calls.models import (
    Call,
    CallBreak,
    CallParticipant,
    LegStatistics,
    ListeningCopy,
    Measurer,
    ParticipantRole,
    Recording,
    WhipSession,
)
from common.clock import now
from devices.models import AccessRule, Device, DeviceCertificate, Loan
from households.keys import key_wrap
from households.models import Membership
from households.record.audit import AuditKind, audit_note
from households.roles import Permission
from protocol.messages.calls import CallState
from transcripts.models import Transcript, TranscriptSegment


def rows_fill(member: Membership, device: Device) -> Call:
    """Beside the device itself, its room and its presence. Returns the call."""
    household, moment = member.household, now()
    with scope(household=household):
        audit_note(household, AuditKind.SIGNED_IN, actor=member.user)
        key_wrap(household=household, key=bytes(32), purpose="x")
        DeviceCertificate.objects.get_or_create(
            device=device,
            defaults={
                "serial_number": str(device.pk), "certificate_pem": "", "not_before": moment, "not_after": moment,
            },
        )  # fmt: skip
        rule = AccessRule.objects.create(household=household, device=device, right=Permission.ANNOUNCE)
        rule.members.add(member)
        Loan.objects.create(
            household=household, device=device, starts_at=moment, ends_at=moment + timedelta(days=1)
        )
        WhipSession.objects.create(
            household=household, device=device, worker_id="w", ice_ufrag="u", started_at=moment
        )
        announcement = announcement_send(membership=member, text="Dinner.", devices=[device])
        assert AnnouncementDelivery.objects.filter(announcement=announcement).exists()
        assert SpeechClip.objects.exists()
        return _call_fill(member, device)


def _call_fill(member: Membership, device: Device) -> Call:
    """A call that is over, with its recording, its words and how its connection was."""
    household, moment = member.household, now()
    call = Call.objects.create(
        household=household, device=device, started_by=member.user, state=CallState.ENDED, ended_at=moment
    )
    CallBreak.objects.create(household=household, call=call, began_at=moment)
    leg = CallParticipant.objects.create(
        household=household, call=call, role=ParticipantRole.CALLEE, device=device, display_name="x"
    )
    LegStatistics.objects.create(
        household=household, participant=leg, measurer=Measurer.HUB, started_at=moment
    )
    recording = Recording.objects.create(
        household=household, call=call, participant=leg, name=f"{call.public_id}.ogg"
    )
    ListeningCopy.objects.create(
        household=household, call=call, name=f"{call.public_id}.m4a", duration_s=1, size_bytes=1, peaks={}
    )
    transcript = Transcript.objects.create(household=household, recording=recording)
    TranscriptSegment.objects.create(
        household=household, transcript=transcript, start_s=0, end_s=1, text="Hello."
    )
    return call
