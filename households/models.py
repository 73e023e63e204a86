"""User, Household, Membership, Invitation; the tokens that stand for a person; and what was done: AuditEntry."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django_scopes import ScopedManager

from common.models import BaseModel
from households.roles import Permission, Role


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **extra: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user


class User(AbstractBaseUser, PermissionsMixin, BaseModel):
    """A person. Signs in by e-mail address; belongs to households through memberships."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=80)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    objects: ClassVar[UserManager] = UserManager()
    tokens_ended = 0  # with the password that was saved last; in no table

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name


class Language(models.TextChoices):
    """What the household speaks (BCP 47 primary subtags); those for which there are usual voices."""

    ENGLISH = "en", "English"
    DEUTSCH = "de", "Deutsch"
    ESPANOL = "es", "Español"
    FRANCAIS = "fr", "Français"
    ITALIANO = "it", "Italiano"
    NEDERLANDS = "nl", "Nederlands"


class Household(BaseModel):
    """The tenant: everything else belongs to exactly one."""

    name = models.CharField(max_length=80)
    time_zone = models.CharField(max_length=64, default="UTC")
    language = models.CharField(max_length=16, choices=Language.choices, default=Language.ENGLISH)

    # Sound by the relay only, so that the ends need not tell the addresses of their networks.
    hides_addresses = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class HouseholdKey(models.Model):
    """Wraps the keys of what the household keeps; is itself wrapped by the hub's. See households.keys."""

    household = models.OneToOneField(Household, on_delete=models.CASCADE, related_name="key")
    wrapped = models.BinaryField()

    def __str__(self) -> str:
        return f"the key of {self.household}"


class HouseholdModel(BaseModel):
    """Base of every row that belongs to a household. Querying it outside a scope raises."""

    household = models.ForeignKey(Household, on_delete=models.CASCADE, related_name="+")

    if TYPE_CHECKING:
        objects = models.Manager()
    else:
        objects = ScopedManager(household="household")

    class Meta:
        abstract = True


class Membership(BaseModel):
    """Not scoped: it is what tells which scope to open."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    household = models.ForeignKey(Household, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.ADULT)
    consented_at = models.DateTimeField(null=True, blank=True)  # that calls of this household are recorded
    # Who gave them the role, until they have read of it.
    role_news = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "household"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.household}"


class Departure(BaseModel):
    """How somebody came not to belong to a household any more, to tell them. What is left of a membership."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="departures")
    household_name = models.CharField(max_length=80)  # as it was then
    is_removal = models.BooleanField()  # an owner did it; otherwise they left

    def __str__(self) -> str:
        return f"{self.user} is no longer in {self.household_name}"


class Invitation(BaseModel):
    """A link by which one person joins a household. Only its hash is kept. Not scoped: whoever has it is nobody yet."""

    household = models.ForeignKey(Household, on_delete=models.CASCADE, related_name="invitations")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.ADULT)
    name = models.CharField(max_length=80, blank=True)  # whom it is for, in the inviter's words
    # What whoever made it has to be allowed, or it opens nothing: less is needed where it is for a loan.
    permission = models.CharField(max_length=40, default=Permission.PEOPLE_MANAGE)
    token_hash = models.CharField(max_length=64, unique=True)
    made_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    used_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"invitation to {self.household}"


class ApiToken(BaseModel):
    """Lets a program in as its maker, in one household. Only the hash is kept. Not scoped: it opens the scope."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    token_hash = models.CharField(max_length=64, unique=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class SetupToken(BaseModel):
    """The one-time token that the console prints, so that a stranger on the network cannot become the owner."""

    token_hash = models.CharField(max_length=64, unique=True)
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"set-up token {self.pk}"


class AuditEntry(models.Model):
    """What somebody did, for the owners of a household. Never changed: see households.record.audit."""

    household = models.ForeignKey(Household, on_delete=models.CASCADE, related_name="audit_entries")
    number = models.PositiveBigIntegerField()  # 1, 2, 3, ... in each household
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    # Names as they were then, by the word that the sentence of the kind uses for them.
    details = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    if TYPE_CHECKING:
        objects = models.Manager()
    else:
        objects = ScopedManager(household="household")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["household", "number"], name="audit_number_once")]

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"


class AuditHead(models.Model):
    """The last entry of a household, so that entries cannot be missing at the end unnoticed."""

    household = models.OneToOneField(Household, on_delete=models.CASCADE, related_name="audit_head")
    number = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)
    seal = models.CharField(max_length=64, blank=True)  # over both; "": nobody who had the key wrote them

    def __str__(self) -> str:
        return f"{self.number} audit entries"
