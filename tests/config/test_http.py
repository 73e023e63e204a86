"""Requests and their connections to the database."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from config.http import OwnThread

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("fails", [False, True], ids=["an answer", "an error"])
async def test_a_request_leaves_no_connection_open(fails: bool) -> None:
    opened = []

    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        opened.append(connection.connection)
        if fails:
            raise ValueError

    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        await sync_to_async(ask)()

    try:
        await OwnThread(application)({}, None, None)
    except ValueError:
        assert fails
    assert opened[0].closed
