"""`serve`: real processes, killed and drained."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import psutil
import pytest
import requests

from tests.support.processes import Installation, eventually, new_database


def test_brings_up_everything_from_nothing(open_path: Path) -> None:
    installation = Installation(open_path)

    server = installation.serve().until_ready()

    assert server.readiness()[1] == {
        "ready": True,
        "database": "ok",
        "migrations": "ok",
        "workers": "ok",
        "queue": "ok",
    }
    assert requests.get(server.address(), timeout=30).url == f"{server.address()}admin/login/?next=/admin/"
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert not (open_path / "var/postgres/postmaster.pid").exists()


def test_says_which_migrations_are_missing_and_goes_on_once_they_are_there(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with new_database("empty") as url:
        installation = Installation(tmp_path, url)
        request.addfinalizer(installation.end)
        server = installation.serve()

        status, report = eventually(lambda: seen if (seen := server.readiness())[0] else None)
        installation.run("migrate", "--verbosity=0")

        assert (status, report["ready"], report["database"]) == (503, False, "ok")
        assert report["migrations"].endswith("not applied; run `manage.py migrate`")
        server.until_ready()
        installation.end()


def test_a_taken_port_is_one_clear_line(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = installation.start("serve", f"--port={port}")

        assert server.wait() == 1

    assert server.output == f"CommandError: cannot listen at 127.0.0.1, port {port}: Address already in use\n"


def test_a_killed_worker_is_replaced_and_its_job_taken_over(installation: Installation) -> None:
    server = installation.serve("--workers=2").until_ready()
    installation.defer("hold", "reply")
    [killed] = eventually(lambda: installation.marked("reply.started"))

    os.kill(killed, signal.SIGKILL)

    first, second = eventually(
        lambda: pids if len(pids := installation.marked("reply.started")) > 1 else None
    )
    assert (first, second in server.children("work")) == (killed, True)
    installation.release("reply")
    eventually(lambda: installation.jobs() == [])
    assert installation.marked("reply.done") == [second]
    eventually(lambda: len(server.children("work")) == 2)
    assert "exit_code=-9" in server.output


def test_a_killed_web_process_is_replaced_behind_the_same_socket(installation: Installation) -> None:
    server = installation.serve("--workers=0")
    eventually(lambda: server.readiness()[0])
    [killed] = server.children("web")

    os.kill(killed, signal.SIGKILL)

    assert requests.get(f"{server.address()}healthz", timeout=30).ok  # waited, was not refused
    assert eventually(lambda: server.children("web")) != [killed]


def test_no_child_outlives_a_killed_supervisor(installation: Installation) -> None:
    server = installation.serve("--workers=2").until_ready()
    children = [psutil.Process(pid) for pid in server.children()]
    assert len(children) == 3

    server.signal(signal.SIGKILL)

    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def test_a_drain_lets_the_running_job_finish_and_leaves_the_waiting_one(installation: Installation) -> None:
    server = installation.serve(WORKER_CONCURRENCY="1").until_ready()
    installation.defer("hold", "running")
    eventually(lambda: installation.marked("running.started"))
    installation.defer("note", "waiting")

    server.signal(signal.SIGTERM)
    eventually(lambda: server.readiness() == (0, {}))  # nobody is let in any more
    installation.release("running")

    assert server.wait() == 0
    assert installation.marked("running.done")
    assert installation.jobs() == [("waiting", "todo")]


def test_a_job_that_outlasts_the_drain_is_left_for_the_next_start(installation: Installation) -> None:
    server = installation.serve(DRAIN_S="0.5").until_ready()
    installation.defer("hold", "long")
    eventually(lambda: installation.marked("long.started"))

    server.signal(signal.SIGINT)

    assert server.wait() == 0
    assert installation.jobs() == [("long", "todo")]
    assert not installation.marked("long.done")


def test_a_second_signal_ends_it_at_once(installation: Installation) -> None:
    server = installation.serve(DRAIN_S="3600").until_ready()
    installation.defer("ignore_the_end", "stubborn")
    eventually(lambda: installation.marked("stubborn.started"))
    server.signal(signal.SIGTERM)
    eventually(lambda: "stopping" in server.output)

    server.signal(signal.SIGTERM)

    assert server.wait() == 0
    assert not psutil.pid_exists(installation.marked("stubborn.started")[0])
