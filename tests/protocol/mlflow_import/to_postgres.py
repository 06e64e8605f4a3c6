"""A database that the library wrote, as SQL for PostgreSQL: `to_postgres.py FILE`. The tables are made as the library's own
description of them says for PostgreSQL, without foreign keys, which needs no driver."""
import sqlite3
import sys

import sqlalchemy.pool

if not hasattr(sqlalchemy.pool, "FallbackAsyncAdaptedQueuePool"):
    sqlalchemy.pool.FallbackAsyncAdaptedQueuePool = sqlalchemy.pool.AsyncAdaptedQueuePool

from mlflow.store.db.base_sql_model import Base  # noqa: E402
import mlflow.store.model_registry.dbmodels.models  # noqa: E402,F401
import mlflow.store.tracking.dbmodels.models  # noqa: E402,F401
from sqlalchemy.dialects import postgresql  # noqa: E402
from sqlalchemy.schema import CreateTable  # noqa: E402


def escaped(value):
    if value is None:
        return "\\N"
    text = repr(value) if isinstance(value, float) else str(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def main(path):
    database = sqlite3.connect(path)
    out = sys.stdout
    out.write("create table alembic_version (version_num varchar(32) primary key);\n")
    for (revision,) in database.execute("select version_num from alembic_version"):
        out.write(f"insert into alembic_version values ('{revision}');\n")
    for table in Base.metadata.sorted_tables:
        out.write(f"{CreateTable(table, include_foreign_key_constraints=[]).compile(dialect=postgresql.dialect())};\n")
        columns = [column.name for column in table.columns]
        rows = database.execute("select " + ", ".join(f'"{c}"' for c in columns) + f' from "{table.name}"').fetchall()
        if rows:
            out.write(f'copy "{table.name}" (' + ", ".join(f'"{c}"' for c in columns) + ") from stdin;\n")
            out.writelines("\t".join(map(escaped, row)) + "\n" for row in rows)
            out.write("\\.\n")


if __name__ == "__main__":
    main(sys.argv[1])
