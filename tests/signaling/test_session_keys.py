"""What lets somebody in stands in no table, also while a page is in a call."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.test import Client
from django_scopes import scopes_disabled

from calls.models import CallParticipant
from households.accounts.sessions import session_name
from tests.fakes.worker import FakeWorker
from tests.plugin_cast import Cast
from tests.signaling.sockets import ORIGIN, Socket, device_socket

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


def tables_with(words: str) -> list[str]:
    """Those in which some row, as text, holds these words."""
    with scopes_disabled(), connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names():
            sql = f'SELECT count(*) FROM "{table}" AS row WHERE strpos(row::text, %s) > 0'
            cursor.execute(sql, [words])
            found += [table] * cursor.fetchone()[0]
    return found


def signed_in(user: Any) -> tuple[Client, str]:
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client, client.cookies[settings.SESSION_COOKIE_NAME].value


async def test_no_table_holds_the_key_of_a_session_whose_page_is_in_a_call(cast: Cast) -> None:
    async with FakeWorker():
        _, key = await sync_to_async(signed_in)(cast.anna.user)
        device = await device_socket(cast.kitchen, cast.keys[cast.kitchen.pk])
        cookie = f"{settings.SESSION_COOKIE_NAME}={key}".encode()
        page = Socket("/ws/hub/", [*ORIGIN, (b"cookie", cookie)])
        await page.open()
        await page.say("hello")
        await page.hear("hello_ack")
        await page.say("call_invite", device_id=str(cast.kitchen.public_id), id="c")
        await page.hear("call_state")
        with scopes_disabled():
            ends = [one async for one in CallParticipant.objects.exclude(carried_by="")]
        assert [one.carried_by for one in ends] == [f"session:{session_name(key)}"]
        assert await sync_to_async(tables_with)(key) == []
        await page.close()
        await device.close()


async def test_a_message_with_a_sign_that_no_table_can_hold_is_a_bad_message(cast: Cast) -> None:
    _, key = await sync_to_async(signed_in)(cast.anna.user)
    page = Socket("/ws/hub/", [*ORIGIN, (b"cookie", f"{settings.SESSION_COOKIE_NAME}={key}".encode())])
    await page.open()
    await page.say("hello")
    await page.hear("hello_ack")
    await page.say("call_invite", device_id=str(cast.kitchen.public_id), id="\0")
    said = await page.hear("error")
    assert (said["code"], said["reply_to"]) == ("bad_message", "\0")
    await page.close()
