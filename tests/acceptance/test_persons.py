"""One person's data, by the commands that a user's request for it comes down to."""

from __future__ import annotations

import json

from tests.support.parley import Parley


def test_a_person_is_handed_out_and_erased_while_others_talk_on(parley: Parley) -> None:
    alice, bob = parley.user(), parley.user()
    alice.ask("My name is Alice")
    bob.ask("My name is Bob")
    parley.until_settled()

    data = json.loads(parley.run("export_person", "acme", alice.id))
    erased = parley.run("erase_person", "acme", alice.id, "--yes")
    left = json.loads(parley.run("export_person", "acme", alice.id))

    [chat] = data["conversations"]
    assert [message["sender"] for message in chat["messages"]] == ["user", "robot"]
    assert chat["messages"][0]["text"] == "My name is Alice"
    assert len(data["callbacks"]) >= 1
    assert "conversations: 1" in erased
    assert "messages: 2" in erased
    assert (left["conversations"], left["callbacks"], left["spending"]) == ([], [], [])
    assert "My name is Bob" in parley.run("export_person", "acme", bob.id)

    assert "Hello again" in alice.ask("Hello again").text  # as a new user
