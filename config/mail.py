"""Mail of a hub that sends none: what it would say appears in the window in which the hub was started."""

import sys
from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class WindowBackend(BaseEmailBackend):
    """Writes the text of a message, without headers, to the standard output."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            sys.stdout.write(f"\n{message.body}\n")
        sys.stdout.flush()
        return len(email_messages)
