"""Parley whole: its own processes against the simulated cloud and a scripted model."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from sandbox.driver import App, Sandbox, TencentApp
from tests.support.parley import ADMIN, ADMIN_PASSWORD, Parley, robot, route
from tests.support.processes import Installation, database_name, database_url, new_database

LOG_LINES: Final = 40  # of a server's log, shown when its test fails
SORRY: Final = "Sorry, not now."
REFUSING: Final = "http://127.0.0.1:1/v1"  # nothing listens at port 1

# The driver's: a line for each look at the cloud.
logging.getLogger("httpx").setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def template(template: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """With an admin in it, whom it takes seconds to make."""
    installation = Installation(tmp_path_factory.mktemp("admin"), database_url(database_name(template)))
    names = {"DJANGO_SUPERUSER_USERNAME": ADMIN, "DJANGO_SUPERUSER_PASSWORD": ADMIN_PASSWORD}
    installation.run("createsuperuser", "--noinput", "--email=root@example.com", **names)
    return template


@pytest.fixture(autouse=True)
def good_manners(sandbox: Sandbox) -> Iterator[None]:
    """Each test finds a cloud without faults and a model without scripts, and does nothing that a client
    or the cloud would choke on."""
    sandbox.faults()
    sandbox.model.reset()
    before = len(sandbox.violations())
    yield
    assert sandbox.violations()[before:] == []


@pytest.fixture(autouse=True)
def models_without_a_past(request: pytest.FixtureRequest) -> None:
    """Nobody passes over a model because it failed in an earlier test."""
    if "parley" in request.fixturenames:
        with request.getfixturevalue("parley").installation.connect() as database:
            database.execute("DELETE FROM bots_modelhealth")


@pytest.fixture(scope="session")
def parley(template: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parley]:
    """One that all tests share that do not kill it; with robots for each need."""
    with installed("parley", template, sandbox, tmp_path_factory.mktemp("parley")) as parley:
        impatient: dict[str, Any] = {
            "timeouts": {"connect_s": 1, "first_token_s": 1, "stall_s": 1, "total_s": 3}
        }
        parley.apply(
            accounts=[parley.account()],
            models=[
                parley.model("fast"),
                parley.model("impatient", **impatient),
                parley.model("refusing", base_url=REFUSING),
            ],
            routes=[
                route("default", "fast"),
                route("impatient", "impatient"),
                route("refusing", "refusing"),
                route("two", "impatient", "fast"),
            ],
            policies=[{"slug": "people", "handoff_words": ["human"]}],
            robots=[
                robot("people", policy="people"),
                robot("ada", nickname="Ada", persona="You are Ada.", avatar_url="https://example.com/a.png"),
                robot("browsed", nickname="Bea", persona="You are Bea."),
                robot("whole", persona="You are terse.", reply={"mode": "whole"}),
                robot("patient", reply={"merge_window_ms": 700}),
                robot("impatient", route="impatient", reply={"fallback": SORRY}),
                robot("refusing", route="refusing", reply={"fallback": SORRY}),
                robot("two", route="two", reply={"fallback": SORRY}),
            ],
        )
        parley.serve()
        parley.until_registered(
            "people", "ada", "browsed", "whole", "patient", "impatient", "refusing", "two"
        )
        yield parley


@pytest.fixture(scope="module")
def files_parley(
    template: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Parley]:
    """One for the tests of a file: nothing configured, nothing running."""
    with installed("file", template, sandbox, tmp_path_factory.mktemp("file")) as parley:
        yield parley


@pytest.fixture
def own_parley(template: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[Parley]:
    """One for this test alone: nothing configured, nothing running."""
    with installed("own", template, sandbox, tmp_path) as parley:
        yield parley


@contextmanager
def installed(
    name: str, template: str, sandbox: Sandbox, folder: Path, kind: type[App] = TencentApp
) -> Iterator[Parley]:
    with new_database(name, template=template) as url:
        parley = Parley(Installation(folder, url), sandbox, kind)
        try:
            yield parley
        finally:
            parley.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the server has logged last."""
    report = yield
    if report.failed:
        parleys = (each for each in item.funcargs.values() if isinstance(each, Parley))
        for parley in (each for each in parleys if each.has_served):
            lines = parley.server.output.splitlines()[-LOG_LINES:]
            report.sections.append(("Parley's log", "\n".join(lines)))
    return report
