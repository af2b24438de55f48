"""A Tencent app that lets none but friends write to each other, and one that wants robots as contacts."""

from __future__ import annotations

import pytest

from sandbox.driver import Sandbox
from tests.support.parley import Parley, User, robot, route

ADD = "sns/friend_add"


def serving(parley: Parley, befriend: str) -> User:
    """Someone who writes to a robot of an account that is set so."""
    account = parley.account()
    account["config"]["befriend"] = befriend
    parley.apply(
        accounts=[account],
        models=[parley.model("fast")],
        routes=[route("default", "fast")],
        robots=[robot("ada")],
    )
    parley.serve()
    parley.until_registered("ada")
    return parley.user()


def test_a_refused_answer_arrives_once_the_two_are_friends(own_parley: Parley, sandbox: Sandbox) -> None:
    own_parley.app.change(friends_only=True)
    user = serving(own_parley, "when_refused")

    assert user.ask("Hi").text
    assert user.ask("Hi again").text
    own_parley.until_settled()
    [call] = sandbox.calls(ADD, own_parley.app.id)
    assert call["body"]["AddFriendItem"][0]["To_Account"] == user.id
    assert own_parley.count("conversations_turn WHERE state <> 'done'") == 0


@pytest.mark.parametrize("befriend, adds", [("first_message", 1), ("never", 0)])
def test_a_robot_among_the_contacts(own_parley: Parley, sandbox: Sandbox, befriend: str, adds: int) -> None:
    user = serving(own_parley, befriend)

    user.ask("Hi")
    user.ask("Hi again")

    calls = sandbox.calls(app=own_parley.app.id)
    about = [call["command"] for call in calls if user.id in call["body"].values() or call["command"] == ADD]
    assert about.count(ADD) == adds
    assert about.index("openim/sendmsg") == adds
