"""Everything is lost, and comes back from a backup."""

from __future__ import annotations

import shutil

from tests.support.parley import ENVIRONMENT, Parley

FORGET = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"


def test_dump_wipe_restore_and_go_on(own_parley: Parley) -> None:
    parley = own_parley
    parley.configure_and_serve("ada")
    client = parley.api("sessions")
    user = parley.user()
    assert user.ask("Before").text.endswith("Before")
    folder, secrets = parley.installation.folder / "backup", parley.installation.folder / "var" / "secrets"

    assert "secrets of this machine" in parley.run("backup", str(folder))  # while it runs
    assert "stop Parley on all machines first" in refusal(parley, "restore", str(folder), "--yes")
    parley.stop()
    shutil.rmtree(secrets)
    with parley.installation.connect() as database:
        database.execute(FORGET)
    parley.run("restore", str(folder), "--yes")

    parley.serve()
    assert user.ask("After").text.endswith("After")
    with client:
        conversations = client.get("/conversations", params={"user_id": user.id}).json()["results"]
        said = client.get(f"/conversations/{conversations[0]['id']}/messages").json()["results"]
    assert [each["text"].rpartition(" ")[2] for each in said if each["sender"] == "user"] == [
        "Before",
        "After",
    ]
    assert [path.stat().st_mode & 0o77 for path in (folder, *secrets.iterdir())] == [0] * (
        1 + len(list(secrets.iterdir()))
    )


def refusal(parley: Parley, *arguments: str) -> str:
    """What a command says that fails."""
    process = parley.installation.start(*arguments, **ENVIRONMENT)
    assert process.wait() == 1, process.output
    return process.output.strip().splitlines()[-1]
