"""The policies of a table, as an operation for migrations. It stays as it is: other policies get another name."""

from django.db import migrations

_SETTING = "(SELECT current_setting('hearthline.household', true))"
# In a sub-select each is read once in a statement, also where a cursor is read over a long time.
_ALL = f"{_SETTING} = 'all'"
_OWN = "{column} = (SELECT nullif(nullif(current_setting('hearthline.household', true), ''), 'all')::bigint)"
# The policy of the other table decides what of it is seen here.
_BESIDE = "EXISTS (SELECT FROM {other} beside WHERE beside.id = {table}.{column})"


class HouseholdWall(migrations.RunSQL):
    """Rows of `table` are those of the household in `column`; or of the row of `other` that `column` points to."""

    def __init__(self, table: str, column: str = "household_id", *, other: str = "") -> None:
        own = (_BESIDE if other else _OWN).format(table=table, column=column, other=other)
        rule = f"{_ALL} OR {own}"
        super().__init__(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
            CREATE POLICY household_wall ON {table} USING ({rule}) WITH CHECK ({rule});
            """,
            f"""
            DROP POLICY household_wall ON {table};
            ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
            """,
        )
        self._named = (table, column, other)

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        table, column, other = self._named
        return (type(self).__name__, [table, column], {"other": other} if other else {})
