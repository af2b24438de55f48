"""Policies: what users may write and what robots may say, at each of the clouds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.driver import App, EasemobApp, Message, Sandbox, TencentApp, ZegoApp
from tests.acceptance.conftest import installed
from tests.support.parley import ACCOUNT, JSONDict, Parley, User, asked, route, words
from tests.support.processes import eventually

NOT_HERE = "Not here."
SOMETHING_ELSE = "Let us talk of something else."
HANDED_OFF = """
SELECT turn.id FROM conversations_turn AS turn
  JOIN conversations_conversation AS conversation ON conversation.id = turn.conversation_id
 WHERE conversation.peer_id = %s AND conversation.owner = 'operator' AND turn.state = 'handed_off'
"""
ROBOTS: dict[type[App], str] = {TencentApp: "@RBT#ada", ZegoApp: "@RBT#ada", EasemobApp: "ada"}


def policy(slug: str = "default", **changes: JSONDict) -> JSONDict:
    return {
        "slug": slug,
        "input": {"block_words": ["赌博"], "block_reply": NOT_HERE, "mask_pii": True, "max_chars": 500}
        | changes.get("input", {}),
        "output": {"block_words": ["secret plan"], "block_reply": SOMETHING_ELSE} | changes.get("output", {}),
        "handoff_words": ["human", "人工"],
    }


@pytest.fixture(scope="module", params=list(ROBOTS), ids=lambda kind: kind.vendor)
def screened(
    request: pytest.FixtureRequest,
    template: str,
    sandbox: Sandbox,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Parley]:
    kind: type[App] = request.param
    name = f"screened_{kind.vendor}"
    with installed(name, template, sandbox, tmp_path_factory.mktemp(name), kind) as parley:
        parley.apply(
            accounts=[parley.account()],
            models=[parley.model("fast")],
            routes=[route("default", "fast")],
            policies=[policy()],
            robots=[
                {
                    "account": ACCOUNT,
                    "user_id": ROBOTS[kind],
                    "route": "default",
                    "policy": "default",
                    "reply": {"merge_window_ms": 50},
                }
            ],
        )
        parley.serve()
        parley.app.wait_for_robot(ROBOTS[kind])
        yield parley


def user(parley: Parley) -> User:
    return User(parley, parley.user().id, ROBOTS[type(parley.app)])


def standing(messages: list[Message]) -> list[str]:
    """What a user still sees."""
    return [message.text for message in messages if not message.is_recalled and message.is_finished]


def ever_shown(messages: list[Message]) -> str:
    return "\n".join(frame.text for message in messages for frame in message.frames)


def test_a_blocked_question_costs_no_model(screened: Parley, sandbox: Sandbox) -> None:
    alice = user(screened)

    alice.write("去賭 博吧")
    alice.wait_until(lambda said: standing(said) == [NOT_HERE])

    screened.until_settled()
    assert not asked(sandbox, "博吧")
    page = screened.conversation_page(alice)
    assert "blocked" in page
    assert "赌博" in page


def test_an_answer_blocked_on_its_way_is_taken_back(screened: Parley, sandbox: Sandbox) -> None:
    text = f"{words(30)} and the ＳＥＣＲＥＴ\u200b-plan is {words(200)}"
    sandbox.model.script(text, match="Tell me", chunk_chars=5, chunk_delay_s=0.05)
    alice = user(screened)

    alice.write("Tell me")
    said = alice.wait_until(lambda said: standing(said) == [SOMETHING_ELSE])

    screened.until_settled()
    assert len(said) > 1, "the answer was under way"
    assert "word1" in ever_shown(said)
    assert "ＳＥＣＲＥＴ" not in ever_shown(said)
    [request] = asked(sandbox, "Tell me")
    assert request["outcome"] == "client_gone"
    assert "output blocked" in screened.conversation_page(alice)


def test_a_word_in_two_chunks_is_found(screened: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script("The secret plan", match="Split", chunk_chars=8)
    alice = user(screened)

    alice.write("Split")
    said = alice.wait_until(lambda said: standing(said) == [SOMETHING_ELSE])

    assert "secret" not in ever_shown(said)


def test_what_is_not_blocked_arrives_whole(screened: Parley, sandbox: Sandbox) -> None:
    text = f"A secret pla, a secretary's plan. {words(40)} secret"
    sandbox.model.script(text, match="Innocent", chunk_chars=3, chunk_delay_s=0.01)
    alice = user(screened)

    alice.write("Innocent")
    alice.wait_until(lambda said: "".join(standing(said)) == text)


def test_the_model_sees_no_personal_data(screened: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script("I call [PHONE_1], and write to [EMAIL_1].", match="Reach me", chunk_chars=3)
    alice = user(screened)

    alice.write("Reach me: 138 0013 8000 or ada@example.com")
    alice.wait_until(lambda said: standing(said) == ["I call 138 0013 8000, and write to ada@example.com."])

    [request] = asked(sandbox, "Reach me")
    assert request["body"]["messages"][-1]["content"] == "Reach me: [PHONE_1] or [EMAIL_1]"
    assert "0013 8000" not in screened.server.output


def test_a_user_who_asks_for_people_gets_no_robot(screened: Parley, sandbox: Sandbox) -> None:
    alice = user(screened)

    alice.write("转人 工")
    eventually(lambda: screened.installation.query(HANDED_OFF, alice.id))

    assert alice.replies() == []
    assert not asked(sandbox, "转人")
    assert "handed off" in screened.conversation_page(alice)


def test_an_uploaded_list_holds_from_the_next_turn_on(screened: Parley, sandbox: Sandbox) -> None:
    upload = {"upload": ("fruit.txt", "durian\n榴莲\n")}
    client = screened.admin.client
    sent = {"slug": "fruit", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    assert client.post("/admin/bots/wordlist/add/", data=sent, files=upload).status_code == 200

    screened.apply(policies=[policy(input={"word_lists": ["fruit"]})])
    alice = user(screened)
    alice.write("要榴蓮")
    alice.wait_until(lambda said: standing(said) == [NOT_HERE])

    assert "fruit, version 1" in screened.conversation_page(alice)
    screened.apply(policies=[policy()])


def test_a_change_is_noticed_at_once(screened: Parley, sandbox: Sandbox) -> None:
    alice = user(screened)
    alice.write("A pineapple, please")
    alice.wait_until(lambda said: len(standing(said)) == 1)

    screened.apply(policies=[policy(input={"block_words": ["pineapple"]})])
    alice.write("A pineapple, please")
    said = alice.wait_until(lambda said: len(standing(said)) == 2)

    assert standing(said)[-1] == NOT_HERE
    screened.apply(policies=[policy()])
