"""Which PostgreSQL: the one that DATABASE_URL names, otherwise an embedded one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from psycopg import Connection, ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool

from config.environment import WrongValue
from config.postgresql import places, server
from config.postgresql.places import PORT

EXAMPLE = "postgresql://user:password@host:5432/name"

TRUSTED_S: Final = 0.5  # how long a connection that answered needs no check
_found_well_at: Final[WeakKeyDictionary[Connection[Any], float]] = WeakKeyDictionary()


def settings_for(url: str, *, var_dir: Path, pool_size: int) -> dict[str, Any]:
    """Django's settings of the database; the embedded one keeps its data in `var_dir`."""
    place = from_url(url) if url else embedded_in(var_dir)
    options = place.pop("OPTIONS", {})
    pool = {"min_size": 1, "max_size": pool_size, "timeout": 10, "max_idle": 60, "check": check_connection}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0,  # connections live in the pool
        "OPTIONS": {"pool": pool, **options},
        **place,
    }


def check_connection(candidate: Connection[Any]) -> None:
    """Called by the pool before it hands out a connection.

    A check is a round trip, as much as most of our statements, so one that was fine lately is trusted.
    When the server was restarted all connections are dead, and the pool would try one after the other,
    with pauses of 1, 2, 4 seconds between them.  So the first that is found dead takes all others along.
    """
    now = time.monotonic()
    if now - _found_well_at.get(candidate, 0.0) < TRUSTED_S:
        return
    try:
        ConnectionPool.check_connection(candidate)
    except psycopg.Error:
        connection.pool.drain()  # type: ignore[attr-defined]  # PostgreSQL's has it
        raise
    _found_well_at[candidate] = now


def from_url(url: str) -> dict[str, Any]:
    if not url.startswith(("postgresql://", "postgres://")):
        raise WrongValue("DATABASE_URL", f"Parley runs on PostgreSQL only, as in {EXAMPLE}")
    try:
        parts = conninfo_to_dict(url)
        [int(port) for port in str(parts.get("port") or PORT).split(",")]
    except (ProgrammingError, ValueError):  # its message may quote the address, and the password with it
        raise WrongValue("DATABASE_URL", f"not an address such as {EXAMPLE}") from None
    if not parts.get("dbname"):
        raise WrongValue("DATABASE_URL", f"names no database, as in {EXAMPLE}")
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    place: dict[str, Any] = {names[key]: str(parts.pop(key)) for key in names if key in parts}
    return place | {"OPTIONS": dict(parts)}


def embedded_in(var_dir: Path) -> dict[str, Any]:
    try:
        data_dir = places.data_dir_in(var_dir)
    except OSError as error:
        raise WrongValue("VAR_DIR", f"cannot hold the database: {error.strerror}: {error.filename}") from None
    return {
        "ENGINE": "config.postgresql",
        "NAME": server.DATABASE,
        "USER": server.SUPERUSER,
        "HOST": str(places.socket_dir_of(data_dir)),
        "PORT": PORT,  # always said, or libpq would take PGPORT
        "DATA_DIR": str(data_dir),
    }
