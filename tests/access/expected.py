"""Who may do what, written down once more: expected.txt, against which the tables of access are held.

A table says of itself that it is right. So each row stands in that file, too, with the roles in words, and whoever
loosens one has to change both. Written anew, from the URL resolver, the messages and the tables, by

    .venv/bin/python -m tests.access.expected
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from devices.gate import Row
    from tests.access.things import Somebody

FILE: Final = Path(__file__).with_name("expected.txt")
HOW: Final = """\
The tables of access do not say what tests/access/expected.txt says. A line with "-" is the file's, one with "+" the
tables'. Each name that is new in a "+" line is somebody who is let in from now on. Where that is meant, write the file
anew with ".venv/bin/python -m tests.access.expected" and read the difference before it is committed."""
_HEAD: Final = """\
# Who may come to an address, or say a message. What stands behind it looks at the single device, call or room.
# "guest + talk" is a guest to whom a device is lent for that. Written by .venv/bin/python -m tests.access.expected
"""


def name_of(somebody: "Somebody") -> str:
    from devices.sharing.rights import LENT_BY

    if somebody.lent == set(LENT_BY):
        return f"{somebody.role} + all"
    lent = " + ".join(sorted(LENT_BY[right].removeprefix("can_") for right in somebody.lent))
    return f"{somebody.role} + {lent}" if lent else str(somebody.role)


def written() -> dict[str, frozenset[str]]:
    """Of the file: for "GET /calls/" or "browser call_invite", who may."""
    from devices.gate import Who

    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    pairs = (line.rsplit("  ", 1) for line in lines)
    known = {str(one) for one in Who}
    return {what.strip(): frozenset([who] if who in known else who.split(", ")) for what, who in pairs}


def now_said() -> str:
    """What the file would say of the tables as they are."""
    lines = [*sorted(_addresses(), key=_by_address), *sorted(_messages())]
    width = max(len(what) for what, _ in lines)
    return _HEAD + "".join(f"{what.ljust(width)}  {who}\n" for what, who in lines)


def _by_address(line: tuple[str, str]) -> list[str]:
    return line[0].split(" ", 1)[::-1]


def _addresses() -> Iterator[tuple[str, str]]:
    from config.access import routes
    from config.access_table import ADDRESSES

    for route in routes():
        for method, row in ADDRESSES.get(route, {}).items():
            yield f"{method} /{route}", _who(row)


def _messages() -> Iterator[tuple[str, str]]:
    from protocol.messages.unions import UNIONS, members
    from signaling.access_table import BROWSER, DEVICE

    for socket, table in (("browser", BROWSER), ("device", DEVICE)):
        for model in members(UNIONS[socket]):
            if model in table:
                yield f"{socket} {model.model_fields['type'].default}", _who(table[model])


def _who(row: "Row") -> str:
    from devices.gate import Who
    from tests.access.things import PEOPLE

    if isinstance(row, Who):
        return str(row)
    return ", ".join(name_of(one) for one in PEOPLE if one.may(row)) or "nobody"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    import django

    django.setup()
    FILE.write_text(now_said())
