"""The configuration changes while Parley runs."""

from __future__ import annotations

import re

import pytest

from sandbox.driver import Sandbox
from tests.support.parley import Parley, User, robot, route
from tests.support.processes import eventually

NOTICED_S = 1.0  # promised


@pytest.fixture(scope="module")
def served(files_parley: Parley) -> Parley:
    files_parley.configure_and_serve("file", "form", "route", "disabled")
    return files_parley


def persona_of(user: User) -> str:
    """The scripted model begins its answers with it."""
    return user.ask("Who are you?").text.split(")")[0].removeprefix("(")


def test_a_persona_from_a_file_is_in_the_next_answer(served: Parley) -> None:
    user = served.user("file")
    assert persona_of(user) == ""

    served.configure(robot("file", persona="You are a pirate."))

    assert persona_of(user) == "You are a pirate."


def test_a_persona_from_the_admin_is_in_the_next_answer(served: Parley) -> None:
    user = served.user("form")
    assert persona_of(user) == ""

    served.admin.submit(served.admin.find("bots/robot", "@RBT#form"), persona="You are a cook.")

    assert persona_of(user) == "You are a cook."


def test_a_new_callback_token_counts_within_a_second(served: Parley) -> None:
    body = served.message_body("Hi", sender="bo", to="@RBT#nobody")
    old = served.signed_query("Bot.OnC2CMessage")
    served.secrets["TIM_TOKEN"] = "another-token"
    served.app.change(callback_token="another-token")

    served.configure(robot("file"))

    eventually(lambda: served.post_callback(body).status_code == 200, within_s=NOTICED_S)
    assert served.post_callback(body, old).status_code == 403


def test_a_new_model_and_route_answer_the_next_message(served: Parley, sandbox: Sandbox) -> None:
    user = served.user("route")
    user.ask("Hello")

    served.apply(
        accounts=[served.account()],
        models=[served.model("fast"), served.model("clever", model="scripted-2")],
        routes=[route("default", "fast"), route("better", "clever", "fast")],
        robots=[robot("route", route="better")],
    )

    user.ask("And now?")
    assert [request["body"]["model"] for request in sandbox.model.requests()] == ["scripted", "scripted-2"]


def test_a_disabled_robot_is_silent_until_it_is_enabled(served: Parley) -> None:
    user = served.user("disabled")
    served.configure(robot("disabled", enabled=False))
    user.write("Anyone?")
    served.until_acknowledged(user)
    served.until_settled()
    assert user.replies() == []

    served.configure(robot("disabled"))

    assert user.ask("Hello?").text.endswith("Hello?")


def test_applying_the_same_file_twice_changes_nothing(served: Parley) -> None:
    settings = {"accounts": [served.account()], "models": [served.model("fast")]}
    served.apply(**settings)

    printed = served.apply(**settings)

    assert printed.count("unchanged") == 2
    assert "created" not in printed


def test_what_is_exported_can_be_applied(served: Parley) -> None:
    values = {"secret_key": "TIM_KEY", "callback_token": "TIM_TOKEN", "api_key": "MODEL_KEY"}
    exported = served.run("export")
    file = served.installation.folder / "exported.yaml"
    file.write_text(exported)

    placeholders = re.findall(r"(\w+): \$\{(\w+)\}", exported)
    printed = served.run(
        "apply", str(file), **{name: served.secrets[values[key]] for key, name in placeholders}
    )

    assert {key for key, _ in placeholders} == set(values)
    assert printed.count("unchanged") == len(printed.splitlines())
