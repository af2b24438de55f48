"""What all tests stand on: a database of this run's own, and a browser where there is one."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import TransactionTestCase
from psycopg import sql
from pytest_django import Settings

from tests.support.emptying import empty_database
from tests.support.processes import PATIENCE_S, Installation, new_database

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
# For databases of a test's own, tens of megabytes each; None: the usual place.
MEMORY = SHARED_MEMORY if SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > 2**30 else None
TEST_DATABASE = "test_parley_{pid}"
CLEANING = 1  # an advisory lock: of several processes that start at once, one drops a database
NEEDLESS = ("fsync", "synchronous_commit", "full_page_writes")  # where data need not outlive a power cut
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

TransactionTestCase._fixture_teardown = lambda self: empty_database()  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _no_real_models(settings: Settings) -> None:
    settings.ALLOW_REAL_MODELS = False


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Runs side by side have a test database each; what killed runs left behind goes."""
    # Nobody is ever connected to template0, so that several databases can be made of it at once.
    connection.settings_dict["TEST"] |= {
        "NAME": TEST_DATABASE.format(pid=os.getpid()),
        "TEMPLATE": "template0",
    }
    parameters = {**connection.get_connection_params(), "dbname": "postgres", "autocommit": True}
    with psycopg.connect(**parameters) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [CLEANING])  # until the connection is closed
        if "DISPOSABLE_DATABASES" in os.environ:
            for name in NEEDLESS:
                server.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
            server.execute("SELECT pg_reload_conf()")
        for (name,) in server.execute("SELECT datname FROM pg_database").fetchall():
            leftover = re.match(TEST_DATABASE.format(pid=r"(\d+)(?:_|$)"), name)
            if leftover and not psutil.pid_exists(int(leftover[1])):
                server.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
                )


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database to copy, which takes a tenth of the time."""
    with new_database("template") as url:
        Installation(tmp_path_factory.mktemp("template"), url).run("migrate", "--verbosity=0")
        yield "template"


@pytest.fixture
def admin_user(db: None) -> User:
    """Who `admin_client` is.  Without a password, for to hash one takes most of a second."""
    return User.objects.create_superuser("admin")


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A temporary folder that every user can reach, as `tmp_path` is not: root's embedded server runs as
    another user, and would keep its data outside a closed folder."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="parley-test-", ignore_cleanup_errors=True) as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium from the system, for tests marked `browser`.  They are skipped where there is none."""
    from playwright.sync_api import expect, sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        skip_browser_test("no Chromium is installed")
    expect.set_options(timeout=PATIENCE_S * 1000)  # as all other waiting
    # playwright keeps an event loop in this thread, in which Django would not touch the database.
    with pytest.MonkeyPatch.context() as environ, sync_playwright() as playwright:
        environ.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=list(BROWSER_FLAGS))
        yield browser
        browser.close()


def skip_browser_test(reason: str) -> None:
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(f"{reason}, and REQUIRE_BROWSER is set")
    pytest.skip(reason)
