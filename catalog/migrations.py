"""Applies `schemas/postgres/NNNN_*.sql` in order, each once and whole (`python -m catalog.migrations`)."""

from pathlib import Path

import psycopg

from millrace.contracts import SCHEMAS
from millrace.secrets import load_secrets
from millrace.settings import Settings, settings


def connect(settings: Settings) -> psycopg.Connection:
    """Open the registry database of a stack."""
    return psycopg.connect(
        host=settings.bind_host,
        port=settings.port("postgres"),
        user="millrace",
        password=load_secrets(settings).postgres.get_secret_value(),
        dbname="millrace",
    )


def migrate(connection: psycopg.Connection) -> list[str]:
    """Apply what is missing; return the names of the migrations applied now."""
    with connection.transaction():
        connection.execute(
            b"CREATE TABLE IF NOT EXISTS migration "
            b"(name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        connection.execute(b"LOCK TABLE migration IN EXCLUSIVE MODE")
        done = {row[0] for row in connection.execute(b"SELECT name FROM migration")}
        missing = [path for path in migration_files() if path.stem not in done]
        for path in missing:
            connection.execute(path.read_bytes())
            connection.execute("INSERT INTO migration (name) VALUES (%s)", (path.stem,))
    return [path.stem for path in missing]


def migration_files() -> list[Path]:
    """Every migration in the order of its number."""
    return sorted((SCHEMAS / "postgres").glob("[0-9]*.sql"))


def main() -> None:
    """Apply missing migrations to this stack's registry."""
    with connect(settings()) as connection:
        migrate(connection)


if __name__ == "__main__":
    main()
