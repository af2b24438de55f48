from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg_pool import ConnectionPool

from config import database
from config.environment import WrongValue


def settings_for(url: str) -> dict[str, Any]:
    return database.settings_for(url, var_dir=Path("/nowhere"), pool_size=7)


def test_an_address_becomes_settings_with_a_pool() -> None:
    settings = settings_for("postgres://al%40ice:s%2Fecret@db.example:6432/parley?sslmode=require")

    assert settings["ENGINE"] == "django.db.backends.postgresql"
    assert [settings[key] for key in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == [
        "al@ice",
        "s/ecret",
        "db.example",
        "6432",
        "parley",
    ]
    assert settings["OPTIONS"]["sslmode"] == "require"
    assert settings["OPTIONS"]["pool"]["max_size"] == 7
    assert settings["CONN_MAX_AGE"] == 0


def test_a_socket_folder_can_be_given() -> None:
    settings = settings_for("postgresql:///parley?host=/run/postgresql&user=alice")

    assert (settings["HOST"], settings["USER"], settings["NAME"]) == ("/run/postgresql", "alice", "parley")


@pytest.mark.parametrize(
    "url,reason",
    [
        ("sqlite:///db.sqlite3", "Parley runs on PostgreSQL only"),
        ("mysql://u:hidden@h/n", "Parley runs on PostgreSQL only"),
        ("postgresql://u:hidden@h:port:5/n", "not an address such as"),
        ("postgresql://u:hidden@h/n?colour=red", "not an address such as"),
        ("postgresql://u:hidden@h", "names no database"),
    ],
)
def test_a_wrong_address_is_told_in_one_line_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(WrongValue) as caught:
        settings_for(url)

    assert str(caught.value).startswith(f"parley: DATABASE_URL: {reason}")
    assert "hidden" not in str(caught.value)


def test_without_an_address_it_is_the_embedded_one(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()

    settings = database.settings_for("", var_dir=tmp_path, pool_size=7)

    assert settings["ENGINE"] == "config.postgresql"
    assert (settings["USER"], settings["NAME"], settings["PORT"]) == ("parley", "parley", "5432")
    assert settings["DATA_DIR"] == str(tmp_path / "postgres")


@pytest.mark.django_db(transaction=True)
def test_a_restarted_server_costs_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """All connections of the pool are dead, and the next request is served at once all the same."""
    monkeypatch.setattr(database, "TRUSTED_S", 0.0)  # the restart has taken longer
    pool = connection.pool  # type: ignore[attr-defined]  # PostgreSQL's has it
    dead = [pool.getconn() for _ in range(5)]
    for each in dead:
        pool.putconn(each)
    pids = [each.info.backend_pid for each in dead]
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", [pids])

    alive = pool.getconn(timeout=0.9)

    assert alive.info.backend_pid not in pids
    pool.putconn(alive)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_was_fine_lately_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(ConnectionPool, "check_connection", asked.append)
    with psycopg.connect(**connection.get_connection_params()) as fresh:
        database.check_connection(fresh)
        database.check_connection(fresh)

    assert asked == [fresh]
