"""A backup is a folder: the database as `pg_dump` writes it, what VAR_DIR keeps of secrets, operators' files.

database.dump       PostgreSQL's custom format
secrets/…           as in VAR_DIR; none where the environment gives them
attachments/…       as in ATTACHMENTS_DIR; none where another storage has them
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import psycopg
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection
from procrastinate.contrib.django.utils import connector_params

from config.postgresql import places
from conversations.attachments import STORAGE

DUMP: Final = "database.dump"
SECRETS: Final = "secrets"
ATTACHMENTS: Final = "attachments"

OTHERS: Final = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


class CannotDoIt(Exception):
    """A backup cannot be made or restored; the text says why."""


def attachments_dir() -> Path | None:
    """Where operators' files lie; None where that is no folder."""
    storage = storages[STORAGE]
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else None


def back_up(folder: Path, *, secrets: Path, attachments: Path | None) -> None:
    """Write a backup: complete, or not there at all.  Parley may run meanwhile.  Raises CannotDoIt."""
    if folder.exists():
        raise CannotDoIt(f"{folder} is there already")
    draft = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    run("pg_dump", "--format=custom", f"--file={draft / DUMP}", name_of_database())
    if secrets.is_dir():
        shutil.copytree(secrets, draft / SECRETS)
    if attachments:  # after the dump, so that what it tells of is there
        copy_attachments(attachments, draft / ATTACHMENTS)
    draft.rename(folder)


def check_readable(folder: Path) -> None:
    """Read all of the dump.  Raises CannotDoIt."""
    if not (folder / DUMP).is_file():
        raise CannotDoIt(f"{folder} is no backup: it has no {DUMP}")
    run("pg_restore", "--file=/dev/null", str(folder / DUMP))


def check_nobody_is_connected() -> None:
    """Raises CannotDoIt where a process of Parley may still be at work."""
    with lone_connection() as database:
        [(others,)] = database.execute(OTHERS).fetchall()
    if others:
        raise CannotDoIt(
            f"connections to the database are open ({others}): stop Parley on all machines first"
        )


def restore_database(folder: Path) -> None:
    """Put what the dump has in the place of all that there is.  Raises CannotDoIt."""
    with lone_connection() as database:  # also what the dump does not know of
        database.execute("DROP SCHEMA public CASCADE")
        database.execute("CREATE SCHEMA public")
    target = f"--dbname={name_of_database()}"
    run("pg_restore", "--single-transaction", "--no-owner", "--no-privileges", target, str(folder / DUMP))


def restore_secrets(folder: Path, *, secrets: Path) -> list[str]:
    """Put the backup's secrets in the place of those in VAR_DIR, which stay beside them; → which."""
    kept = sorted((folder / SECRETS).glob("[!.]*"))
    secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    for source in kept:
        target = secrets / source.name
        if target.exists() and target.read_bytes() != source.read_bytes():
            target.rename(target.with_suffix(".replaced"))
        shutil.copy2(source, target)
    return [source.name for source in kept]


def restore_attachments(folder: Path, *, attachments: Path) -> int:
    """Put the backup's files beside those that are there; → how many."""
    return copy_attachments(folder / ATTACHMENTS, attachments)


def copy_attachments(source: Path, target: Path) -> int:
    """Copy each file, complete or not at all; → how many."""
    count = 0
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in source.glob("??/[!.]*"):
        place = target / file.relative_to(source)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        draft = place.with_name(f".{place.name}")
        try:
            shutil.copy(file, draft)
        except FileNotFoundError:
            continue  # it went with its message, just now
        draft.replace(place)
        count += 1
    return count


def lone_connection() -> psycopg.Connection[Any]:
    """Not of Django's pool, which keeps several."""
    return psycopg.connect(**connector_params())


def run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs at our database.  Raises CannotDoIt with its last words."""
    _psql, *place = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])[0][:-1]
    done = subprocess.run(
        [places.programs_in(places.package_dir()) / program, *place, *arguments],
        env={**os.environ, **(environment() or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotDoIt(f"{program}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")


def environment() -> dict[str, str] | None:
    """What the programs are told of the connection besides: the password, for one."""
    connection.get_connection_params()  # starts the embedded server if need be
    return connection.client.settings_to_cmd_args_env(connection.settings_dict, [])[1]


def name_of_database() -> str:
    return str(connection.settings_dict["NAME"])
