"""A route sends each message to the model that is meant for it, and tells why."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from sandbox.driver import Sandbox
from tests.support.parley import Parley, asked, robot

RULES: list[dict[str, Any]] = [
    {"when": {"intents": ["complaint"]}, "models": ["careful"]},
    {"when": {"min_complexity": 0.4}, "models": ["strong"]},
    {"when": {"kinds": ["image"]}, "models": ["seeing"]},
    {"models": ["fast"]},
]
COMPLAINTS: dict[str, Any] = {"when": {"intents": ["complaint"]}, "handoff": True}


@pytest.fixture(scope="module")
def routed(files_parley: Parley) -> Parley:
    parley = files_parley
    slugs = ("careful", "strong", "seeing", "fast", "judge")
    parley.apply(
        accounts=[parley.account()],
        models=[parley.model(slug, model=slug, takes_images=slug == "seeing") for slug in slugs],
        routes=[
            {"slug": "default", "rules": RULES},
            {"slug": "judged", "classifier": "judge", "rules": RULES},
            {"slug": "helped", "rules": [COMPLAINTS, {"models": ["fast"]}]},
        ],
        desks=[{"slug": "day", "waiting_reply": "Somebody will be with you."}],
        robots=[robot("ada"), robot("judged", route="judged"), robot("helped", route="helped", desk="day")],
    )
    parley.serve()
    parley.until_registered("ada", "judged", "helped")
    return parley


@pytest.mark.parametrize(
    "text, model",
    [
        ("This is unacceptable", "careful"),
        ("你们骗人，我要投诉", "careful"),
        ("Why? Compare both, and explain the difference", "strong"),
        ("Good to see you", "fast"),
    ],
)
def test_each_message_gets_its_model_and_the_admin_says_why(
    routed: Parley, sandbox: Sandbox, text: str, model: str
) -> None:
    user = routed.user()
    user.ask(text)
    routed.until_settled()

    [request] = asked(sandbox, text)
    assert request["body"]["model"] == model
    rule = next(number for number, rule in enumerate(RULES, start=1) if model in rule["models"])
    assert f"rule {rule} (" in routed.conversation_page(user)


def test_a_classifier_judges_and_keywords_do_where_it_fails(routed: Parley, sandbox: Sandbox) -> None:
    page = routed.admin.find("bots/route", "judged")
    assert "judge" in routed.admin.text(page)
    sandbox.model.script('{"intent": "complaint", "complexity": 0}', match="Nothing works")
    sandbox.model.script(match="This is unacceptable, too", status=500)
    user = routed.user("judged")

    user.ask("Nothing works")
    user.ask("This is unacceptable, too")
    routed.until_settled()

    models = [request["body"]["model"] for request in asked(sandbox, "Nothing works")]
    assert models == ["judge", "careful"]
    models = [request["body"]["model"] for request in asked(sandbox, "This is unacceptable, too")]
    assert models == ["judge", "careful"]
    assert routed.conversation_page(user).count("judged by the classifier") == 1


def test_a_rule_hands_over_to_people_and_no_model_is_asked(routed: Parley, sandbox: Sandbox) -> None:
    user = routed.user("helped")

    assert user.ask("This is unacceptable, I say").text == "Somebody will be with you."
    routed.until_settled()

    assert asked(sandbox, "This is unacceptable, I say") == []
    with routed.api("operate") as desk:
        [conversation] = desk.get("/conversations", params={"user_id": user.id}).json()["results"]
        assert conversation["state"] == "operator"
        desk.post(f"/conversations/{conversation['id']}/hand_back")
    assert user.ask("Good to see you").text.endswith("Good to see you")


def test_a_picture_is_shown_to_the_model_that_takes_images(routed: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script("A cat.", match="example.com/cat.png")
    user = routed.user()

    reply = user.ask(image="https://example.com/cat.png")

    assert reply.text == "A cat."
    body = sandbox.model.requests()[-1]["body"]
    assert body["model"] == "seeing"
    [words, picture] = body["messages"][-1]["content"]
    assert (words["text"], picture["image_url"]["url"]) == ("[image]", "https://example.com/cat.png")


def test_a_routes_page_says_which_model_would_answer(routed: Parley) -> None:
    page = routed.admin.find("bots/route", "default")
    query = urlencode({"text": "This is unacceptable", "kind": "text"})
    assert "1. intents ✓ → careful" in routed.admin.text(f"{page}?{query}")
