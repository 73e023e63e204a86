"""PostgreSQL with a second wall between households: `ENGINE` of the settings, and the operation for migrations."""
