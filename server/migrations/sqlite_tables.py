"""How a migration changes what SQLite cannot alter: the table is made anew under its own name."""

from collections.abc import Callable

from sqlalchemy import Connection


def remake(connection: Connection, table: str, change: Callable[[str], str]) -> None:
    """Replaces a table of a SQLite database by one of a changed definition, with all its rows.

    Other tables may refer to it: they are checked at the end of the transaction only, when all its
    rows are there again. Its columns stay, in their order.

    Args:
        connection: in the migration's transaction.
        table: its name.
        change: returns the new CREATE TABLE statement, given the one that the table was made by.
    """
    statements = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL "
        "ORDER BY type = 'index'",
        (table,),
    )
    definition, *indexes = statements.scalars().all()
    changed = change(definition)
    assert changed != definition, definition
    for statement in (
        "PRAGMA defer_foreign_keys = ON",
        f"CREATE TEMPORARY TABLE kept AS SELECT * FROM {table}",  # noqa: S608 -- our own words
        f"DROP TABLE {table}",
        changed,
        *indexes,
        f"INSERT INTO {table} SELECT * FROM kept",  # noqa: S608 -- likewise
        "DROP TABLE kept",
    ):
        connection.exec_driver_sql(statement)
