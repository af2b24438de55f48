"""Moderation: a hook or a model judges what users write and what robots say, before it goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.driver import Message, Sandbox
from tests.acceptance.conftest import installed
from tests.bots.llms.provider import Exchange, Provider, failing
from tests.support.parley import JSONDict, Parley, asked, robot, route, words

NOT_HERE, SOMETHING_ELSE = "Not here.", "Let us talk of something else."
GUARD = "You moderate a chat."
SECRET = "a hook's secret"


def judge(exchange: Exchange) -> None:
    text = exchange.body["text"]
    if "no verdict" in text:
        failing("500 Internal Server Error", "oops")(exchange)
    else:
        failing("200 OK", {"allow": "idiot" not in text, "reason": "rude"})(exchange)


def policy(slug: str, terms: JSONDict) -> JSONDict:
    return {
        "slug": slug,
        "input": {"block_reply": NOT_HERE, "moderation": terms},
        "output": {"block_reply": SOMETHING_ELSE, "moderation": {**terms, "piece_chars": 40}},
    }


@pytest.fixture(scope="module")
def hook() -> Iterator[Provider]:
    with Provider(judge) as provider:
        yield provider


@pytest.fixture(scope="module")
def moderated(
    template: str, sandbox: Sandbox, hook: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Parley]:
    with installed("moderated", template, sandbox, tmp_path_factory.mktemp("moderated")) as parley:
        parley.secrets["HOOK_SECRET"] = SECRET
        hooked = {"url": hook.url, "secret": "${HOOK_SECRET}"}
        parley.apply(
            accounts=[parley.account()],
            models=[parley.model("fast"), parley.model("guard")],
            routes=[route("default", "fast")],
            policies=[
                policy("hooked", hooked),
                policy("strict", {**hooked, "on_failure": "block"}),
                policy("guarded", {"model": "guard"}),
            ],
            robots=[robot(slug, policy=slug) for slug in ("hooked", "strict", "guarded")],
        )
        parley.serve()
        parley.until_registered("hooked", "strict", "guarded")
        yield parley


def standing(messages: list[Message]) -> list[str]:
    return [message.text for message in messages if not message.is_recalled and message.is_finished]


def ever_shown(messages: list[Message]) -> str:
    return "\n".join(frame.text for message in messages for frame in message.frames)


def test_a_hook_blocks_a_question(moderated: Parley, sandbox: Sandbox, hook: Provider) -> None:
    alice = moderated.user("hooked")

    alice.write("You idiot, answer")
    alice.wait_until(lambda said: standing(said) == [NOT_HERE])

    moderated.until_settled()
    assert not asked(sandbox, "You idiot, answer")
    question = {"text": "You idiot, answer", "direction": "input", "robot": alice.robot, "user": alice.id}
    assert [each.body for each in hook.exchanges if each.body["user"] == alice.id] == [question]
    assert "rude" in moderated.conversation_page(alice)
    assert SECRET not in moderated.server.output


def test_an_answer_grows_by_what_was_judged(moderated: Parley, sandbox: Sandbox, hook: Provider) -> None:
    text = f"{'It is a sentence, is it not. ' * 6}You idiot. {words(30)}"
    sandbox.model.script(text, match="Grow", chunk_chars=5, chunk_delay_s=0.05)
    alice = moderated.user("hooked")

    alice.write("Grow")
    said = alice.wait_until(lambda said: standing(said) == [SOMETHING_ELSE])

    assert "It is a sentence" in ever_shown(said)
    assert "idiot" not in ever_shown(said)
    assert "output blocked" in moderated.conversation_page(alice)


@pytest.mark.parametrize("name, answer", [("hooked", "Never mind."), ("strict", NOT_HERE)])
def test_a_hook_that_fails(moderated: Parley, sandbox: Sandbox, name: str, answer: str) -> None:
    sandbox.model.script("Never mind.", match="no verdict", times=0)
    alice = moderated.user(name)

    alice.write("There is no verdict on this")
    alice.wait_until(lambda said: standing(said) == [answer])

    moderated.until_settled()
    page = moderated.conversation_page(alice).lower()
    assert "no verdict" in page
    assert "http 500" in page


def test_a_model_judges_and_is_paid(moderated: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script('{"allow": false, "reason": "threats"}', match="I will find you")
    alice = moderated.user("guarded")

    alice.write("I will find you")
    alice.wait_until(lambda said: standing(said) == [NOT_HERE])

    moderated.until_settled()
    [request] = asked(sandbox, "I will find you")
    assert request["body"]["messages"][0]["content"].startswith(GUARD)
    page = moderated.conversation_page(alice)
    assert "threats" in page
    assert "guard · moderation" in page
