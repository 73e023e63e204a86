"""Sessions of people in tests."""

from django.contrib.sessions.models import Session

from households.accounts.sessions import SessionStore


def sign_ins_grow_old(by_s: float = 3600.0) -> None:
    """Whoever is signed in, did that and was asked again longer ago than the hub takes for "just now"."""
    for row in Session.objects.all():
        data = row.get_decoded()
        for step in data.get("account_authentication_methods", []):
            step["at"] -= by_s
        Session.objects.filter(pk=row.pk).update(session_data=SessionStore().encode(data))
