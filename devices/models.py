"""Room, Device and what hangs on it: presence, keys and certificates, authorization, rules, loans, transfers."""

from django.db import models
from django.db.models.functions import Upper

from common.clock import now
from common.models import BaseModel
from households.models import HouseholdModel
from households.roles import DEVICE_RIGHTS


class Room(HouseholdModel):
    name = models.CharField(max_length=80)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["household", "name"], name="room_once")]

    def __str__(self) -> str:
        return self.name


class EchoRemoval(models.TextChoices):
    """Who takes echo and noise out of a device's microphone."""

    DEVICE = "device"
    HUB = "hub"
    OFF = "off"


class DeviceKind(models.TextChoices):
    AGENT = "agent"  # runs our agent; known by its key
    FOREIGN = "foreign"  # another maker's, which speaks WHIP; known by its token


class Device(HouseholdModel):
    """The box, once it is claimed. `revoked_at` set: it belongs to nobody now, only history knows it."""

    kind = models.CharField(max_length=8, choices=DeviceKind.choices, default=DeviceKind.AGENT)

    room = models.ForeignKey(Room, null=True, blank=True, on_delete=models.SET_NULL, related_name="devices")
    name = models.CharField(max_length=80)
    model = models.CharField(max_length=80)
    serial = models.CharField(max_length=80)
    capabilities = models.JSONField(default=list)
    fingerprint_sha256 = models.CharField(
        max_length=64, db_index=True, blank=True
    )  # a foreign one has no key
    public_key_pem = models.TextField(blank=True)
    claim_epoch = models.PositiveIntegerField(
        default=1
    )  # one more with each new key; part of what a login signs
    # A key that the device made and was given a certificate for, until it logs in with it.
    next_fingerprint_sha256 = models.CharField(max_length=64, blank=True)
    next_public_key_pem = models.TextField(blank=True)
    key_wanted_at = models.DateTimeField(null=True, blank=True)  # a member asked for a new key
    is_auto_answer = models.BooleanField(default=False)
    echo_removal = models.CharField(max_length=8, choices=EchoRemoval.choices, default=EchoRemoval.DEVICE)
    claimed_by = models.ForeignKey(
        "households.User", null=True, on_delete=models.SET_NULL, related_name="claimed_devices"
    )
    claimed_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    # The same box, once it was reset and added again: who changes its rules or its room changes those of this row, too.
    replaced_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replaced"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint_sha256"],
                condition=models.Q(revoked_at=None) & ~models.Q(fingerprint_sha256=""),
                name="device_key_claimed_once",
            ),
        ]
        indexes = [  # asked for with each code: see devices.claiming.known and devices.identity.keys
            models.Index(Upper("serial"), condition=models.Q(revoked_at=None), name="device_claimed_serial"),
            models.Index(fields=["next_fingerprint_sha256"], name="device_next_key"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_foreign(self) -> bool:
        return self.kind == DeviceKind.FOREIGN

    @property
    def is_back(self) -> bool:
        """It was reset and added again, and is here as its newer row."""
        return self.replaced_by is not None and self.replaced_by.revoked_at is None


class DeviceToken(BaseModel):
    """Lets one foreign device in. Only the hash is kept. Not scoped: it opens the scope."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="tokens")
    token_hash = models.CharField(max_length=64, unique=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device"], condition=models.Q(revoked_at=None), name="device_token_once"
            )
        ]

    def __str__(self) -> str:
        return f"token of device {self.device_id}"


class DevicePresence(BaseModel):
    """Written by every heartbeat, so it is kept apart from Device."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, related_name="presence")
    is_online = models.BooleanField(default=False)
    channel_name = models.CharField(max_length=200, blank=True)  # the socket that holds the presence
    last_seen_at = models.DateTimeField(null=True, blank=True)
    agent_version = models.CharField(max_length=40, blank=True)
    # Of the last call in which there was an echo to measure, in dB.
    echo_return_loss_enhancement = models.FloatField(null=True, blank=True)

    def __str__(self) -> str:
        return f"presence of device {self.device_id}"


class AuthorizationState(models.TextChoices):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    DENIED = "denied"
    ENROLLED = "enrolled"  # the device has fetched its certificate


class DeviceAuthorization(BaseModel):
    """A device that waits to be claimed (RFC 8628). It belongs to no household until somebody confirms."""

    state = models.CharField(
        max_length=16, choices=AuthorizationState.choices, default=AuthorizationState.PENDING
    )
    device_code_hash = models.CharField(max_length=64, unique=True)
    user_code_hash = models.CharField(max_length=64, db_index=True)
    secret_hash = models.CharField(max_length=64, db_index=True)
    csr_pem = models.TextField()
    fingerprint_sha256 = models.CharField(max_length=64)
    model = models.CharField(max_length=80)
    serial = models.CharField(max_length=80)
    capabilities = models.JSONField(default=list)
    expires_at = models.DateTimeField()
    polled_at = models.DateTimeField(null=True, blank=True)
    interval_s = models.PositiveSmallIntegerField(default=2)
    device = models.ForeignKey(
        Device, null=True, blank=True, on_delete=models.CASCADE, related_name="authorizations"
    )
    confirmed_by = models.ForeignKey(
        "households.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.model} {self.serial}"


class DeviceCertificate(BaseModel):
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="certificates")
    serial_number = models.CharField(max_length=64, unique=True)
    fingerprint_sha256 = models.CharField(max_length=64, blank=True)  # of the key that it is for
    certificate_pem = models.TextField()
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    superseded_at = models.DateTimeField(null=True, blank=True)  # the device uses a later one
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["fingerprint_sha256"], name="certificate_key")]

    def __str__(self) -> str:
        return self.serial_number


class AccessRule(HouseholdModel):
    """Who may do one thing in a room, or with one device, whatever the roles say: these members and nobody else.

    The rule of a device goes before that of its room. Without any, the role counts. See devices.sharing.rights.
    """

    room = models.ForeignKey(Room, null=True, blank=True, on_delete=models.CASCADE, related_name="rules")
    device = models.ForeignKey(Device, null=True, blank=True, on_delete=models.CASCADE, related_name="rules")
    right = models.CharField(max_length=20, choices=[(right.value, right.value) for right in DEVICE_RIGHTS])
    members = models.ManyToManyField("households.Membership", related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(room=None, device__isnull=False)
                | models.Q(room__isnull=False, device=None),
                name="rule_of_a_room_or_a_device",
            ),
            models.UniqueConstraint(
                fields=["device", "right"], condition=models.Q(room=None), name="device_rule_once"
            ),
            models.UniqueConstraint(
                fields=["room", "right"], condition=models.Q(device=None), name="room_rule_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.right} of {self.device or self.room}"


class Loan(HouseholdModel):
    """A device lent to one person for a time. Without a member yet, it waits for the one whom an invitation brings."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="loans")
    member = models.ForeignKey(
        "households.Membership", null=True, blank=True, on_delete=models.CASCADE, related_name="loans"
    )
    invitation = models.OneToOneField(
        "households.Invitation", null=True, blank=True, on_delete=models.SET_NULL, related_name="loan"
    )
    can_talk = models.BooleanField(default=False)  # may call it
    can_listen = models.BooleanField(default=False)  # may be connected without anybody answering
    can_announce = models.BooleanField(default=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)  # before its time
    lent_by = models.ForeignKey("households.User", null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return f"loan of {self.device}"

    @property
    def person(self) -> str:
        if self.member is not None:
            return str(self.member.user)
        return (self.invitation.name if self.invitation else "") or "somebody new"

    @property
    def is_to_come(self) -> bool:
        return self.starts_at > now()


class Transfer(BaseModel):
    """A device on its way to another household. Not scoped: it stands between two."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="transfers")
    token_hash = models.CharField(max_length=64, unique=True)
    made_by = models.ForeignKey("households.User", null=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey("households.User", null=True, on_delete=models.SET_NULL, related_name="+")
    to_household = models.ForeignKey(
        "households.Household", null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    to_room = models.ForeignKey(Room, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    to_name = models.CharField(max_length=80, blank=True)
    to_is_auto_answer = models.BooleanField(default=False)
    to_device = models.OneToOneField(  # once the box came with its new key
        Device, null=True, blank=True, on_delete=models.SET_NULL, related_name="came_by"
    )

    def __str__(self) -> str:
        return f"transfer of {self.device}"
