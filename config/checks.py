"""What `manage.py check` looks at beside Django's own checks."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from config.access import routes_without_row
from config.second_wall import second_wall_problem
from protocol.messages.unions import UNIONS, members
from signaling.access_table import BROWSER, DEVICE


@register(Tags.security)
def access_table_check(**_: Any) -> list[CheckMessage]:
    """Nothing is reached that no table of access names; a new address or message needs a row."""
    routes = [
        Error(
            f"The address {route} is in no row of the table of access, so it is closed.",
            hint="Say in config/access_table.py who may do what there.",
            id="hearthline.E001",
        )
        for route in routes_without_row()
    ]
    unnamed = [
        (socket, model)
        for socket, table in (("browser", BROWSER), ("device", DEVICE))
        for model in members(UNIONS[socket])
        if model not in table
    ]
    messages = [
        Error(
            f"The message {model.__name__} of a {socket} is in no row of the table of access, so it is refused.",
            hint="Say in signaling/access_table.py who may say it.",
            id="hearthline.E002",
        )
        for socket, model in unnamed
    ]
    return [*routes, *messages]


@register(Tags.database)
def second_wall_check(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Runs where the command line names the database, as `manage.py check --database default` does."""
    problem = second_wall_problem() if databases else None
    return [checks.Warning(problem, id="hearthline.W001")] if problem else []
