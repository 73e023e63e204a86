"""A device that was just claimed says whose it is now, so that everybody in the room knows."""

from contextlib import suppress
from datetime import timedelta
from typing import Final

from django.db import transaction
from django_scopes import scope

from announcements.clips import clip_request
from announcements.events import announcement_sent
from announcements.models import Announcement, AnnouncementDelivery
from announcements.speech import BadText
from common.clock import now
from devices.models import Device
from households.models import Language

# Later nobody stands beside it any more.
EXPIRES_AFTER: Final = timedelta(minutes=5)
CAPABILITY: Final = "announcements"
SENTENCES: Final[dict[str, str]] = {
    Language.ENGLISH: "This speaker belongs to {home} now.",
    Language.DEUTSCH: "Dieser Lautsprecher gehört jetzt zu {home}.",
    Language.ESPANOL: "Este altavoz pertenece ahora a {home}.",
    Language.FRANCAIS: "Cette enceinte appartient maintenant à {home}.",
    Language.ITALIANO: "Questo altoparlante ora appartiene a {home}.",
    Language.NEDERLANDS: "Deze luidspreker hoort nu bij {home}.",
}


def device_welcome(*, device: Device) -> None:
    """By the way of all announcements, and in nobody's list of them. A name that no voice can say is not said."""
    if CAPABILITY not in device.capabilities:
        return
    household = device.household
    sentence = SENTENCES.get(household.language, SENTENCES[Language.ENGLISH])
    with suppress(BadText), scope(household=household), transaction.atomic():
        clip = clip_request(household=household, text=sentence.format(home=household.name), voice_id=None)
        announcement = Announcement.objects.create(
            household=household, text=clip.text, clip=clip, is_welcome=True, expires_at=now() + EXPIRES_AFTER
        )
        AnnouncementDelivery.objects.create(household=household, announcement=announcement, device=device)
        announcement_sent.send(sender=Announcement, announcement=announcement)
