"""Whether the database keeps households apart by itself, which it does for every role but a superuser."""

from typing import Final

from django.db import DatabaseError, connection

WALL_IS_DOWN: Final = (
    "The database role in DATABASE_URL is a superuser, or passes row-level security, so the database does not keep "
    "homes apart by itself. Everything works, with one wall instead of two. "
    "Give the hub a role that is neither."
)


def second_wall_problem() -> str | None:
    """In words; None: it stands, or the database cannot be asked now."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
            passes = cursor.fetchone()
    except DatabaseError:
        return None
    return WALL_IS_DOWN if passes and passes[0] else None
