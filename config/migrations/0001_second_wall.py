"""PostgreSQL itself keeps the households apart. See docs/subsystems/tenancy.md."""

from django.db import migrations

from common.database.wall import HouseholdWall


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("households", "0006_audit_append_only"),
        ("devices", "0005_keys_rules_loans_transfers"),
        ("calls", "0011_call_breaks"),
        ("transcripts", "0001_initial"),
        ("announcements", "0002_initial"),
    ]

    operations = [
        *map(
            HouseholdWall,
            [
                "households_auditentry",
                "households_audithead",
                "households_householdkey",
                "devices_room",
                "devices_device",
                "devices_accessrule",
                "devices_loan",
                "calls_call",
                "calls_callbreak",
                "calls_whipsession",
                "calls_callparticipant",
                "calls_recording",
                "calls_listeningcopy",
                "calls_legstatistics",
                "transcripts_transcript",
                "transcripts_transcriptsegment",
                "announcements_speechclip",
                "announcements_announcement",
                "announcements_announcementdelivery",
            ],
        ),
        HouseholdWall("devices_devicepresence", "device_id", other="devices_device"),
        HouseholdWall("devices_devicecertificate", "device_id", other="devices_device"),
        HouseholdWall("devices_accessrule_members", "accessrule_id", other="devices_accessrule"),
    ]
