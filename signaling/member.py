"""The socket of a member, as the handlers see it."""

from typing import Any
from uuid import uuid4

from common.errors import NotSignedIn
from households.accounts.credentials import Credential
from households.models import Membership
from signaling.socket import HubSocket


class MemberSocket(HubSocket):
    """Who it is, once it said hello, and its own connection to a worker."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.membership: Membership | None = None
        self.credential: Credential | None = None  # what let it in
        self.leg_id = uuid4()  # the client's own connection, outside of any call
        self.leg_worker_id = ""

    @property
    def member(self) -> Membership:
        """Raises NotSignedIn before the hello."""
        if self.membership is None:
            raise NotSignedIn("Say hello first.")
        return self.membership
