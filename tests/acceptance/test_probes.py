"""What probes and people who start it are told."""

from __future__ import annotations

import json
import os
import signal

from tests.support.parley import Parley
from tests.support.processes import eventually

ALL_WELL = {"ready": True, "database": "ok", "migrations": "ok", "workers": "ok", "queue": "ok"}


def test_a_server_that_serves_is_alive_and_ready(parley: Parley) -> None:
    assert parley.get("/healthz").status_code == 200
    assert (parley.get("/readyz").status_code, parley.get("/readyz").json()) == (200, ALL_WELL)


def test_a_server_without_workers_is_alive_and_says_what_is_missing(own_parley: Parley) -> None:
    parley = own_parley
    parley.serve(workers=0)

    ready = eventually(lambda: parley.get("/readyz"))

    assert parley.get("/healthz").status_code == 200
    assert ready.status_code == 503
    assert ready.json() == ALL_WELL | {"ready": False, "workers": ready.json()["workers"]}
    assert ready.json()["workers"] != "ok"


def test_a_worker_that_does_not_move_is_noticed_and_its_return_too(own_parley: Parley) -> None:
    parley = own_parley
    parley.serve()
    [worker] = parley.workers()

    os.kill(worker, signal.SIGSTOP)
    eventually(lambda: parley.get("/readyz").status_code == 503)
    assert parley.get("/readyz").json()["workers"] != "ok"

    os.kill(worker, signal.SIGCONT)
    eventually(lambda: parley.get("/readyz").status_code == 200)


def test_every_line_about_a_turn_says_whose_it_is(parley: Parley) -> None:
    user = parley.user()

    user.ask("Who is this?")

    parley.until_settled()
    [(conversation,)] = parley.installation.query(
        "SELECT public_id FROM conversations_conversation WHERE peer_id = %s", user.id
    )
    lines = [json.loads(line) for line in parley.server.output.splitlines() if conversation in line]
    assert [line["event"] for line in lines] == ["turn taken", "turn ended"]
    assert all(line["account"] == "acme" and line["turn"] for line in lines)
