"""Everything is lost, and comes back from a backup."""

from __future__ import annotations

import shutil
from typing import LiteralString

import httpx

from tests.conversations.test_uploads import picture
from tests.support.parley import ENVIRONMENT, Parley, User

PICTURE = picture(width=40, height=30)
FORGET = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"


def test_dump_wipe_restore_and_go_on(own_parley: Parley) -> None:
    parley = own_parley
    parley.configure_and_serve("ada")
    user = parley.user()
    assert user.ask("Before").text.endswith("Before")
    url = send_picture(parley, user)
    folder, var = parley.installation.folder / "backup", parley.installation.folder / "var"
    secrets = var / "secrets"

    assert "secrets of this machine" in parley.run("backup", str(folder))  # while it runs
    assert "stop Parley on all machines first" in refusal(parley, "restore", str(folder), "--yes")
    parley.stop()
    shutil.rmtree(secrets)
    shutil.rmtree(var / "attachments")
    with parley.installation.connect() as database:
        database.execute(FORGET)
    parley.run("restore", str(folder), "--yes")

    parley.serve()
    assert httpx.get(url, trust_env=False).content == PICTURE
    assert user.ask("After").text.endswith("After")
    said = all_of(parley, "SELECT text FROM conversations_message WHERE sender = 'user' ORDER BY id")
    assert [text.rpartition(" ")[2] for text in said] == ["Before", "After"]
    assert [path.stat().st_mode & 0o77 for path in (folder, *secrets.iterdir())] == [0] * (
        1 + len(list(secrets.iterdir()))
    )


def send_picture(parley: Parley, user: User) -> str:
    """An operator sends one, and hands back; its address, as the user knows it."""
    desk = parley.admin.client
    [conversation] = all_of(parley, "SELECT public_id FROM conversations_conversation")
    headers = {"X-CSRFToken": desk.cookies["csrftoken"]}
    for move, files in {"take-over": None, "file": {"file": ("a.png", PICTURE)}, "hand-back": None}.items():
        response = desk.post(f"/console/{conversation}/{move}/", headers=headers, files=files)
        assert response.status_code == 200, response.text
    return user.wait_until(lambda replies: bool(replies[-1].url))[-1].url


def all_of(parley: Parley, sql: LiteralString) -> list[str]:
    """What a statement finds, over a connection that does not stay."""
    with parley.installation.connect() as database:
        return [value for (value,) in database.execute(sql)]


def refusal(parley: Parley, *arguments: str) -> str:
    """What a command says that fails."""
    process = parley.installation.start(*arguments, **ENVIRONMENT)
    assert process.wait() == 1, process.output
    return process.output.strip().splitlines()[-1]
