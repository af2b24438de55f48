"""The whole, as a person sees it in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from sandbox.driver import Sandbox
from tests.support.parley import ADMIN, ADMIN_PASSWORD, Parley, words

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    page = context.new_page()
    yield page
    context.close()


def open_chat(page: Page, parley: Parley) -> None:
    address = urlencode({"app": parley.app.id, "robot": "@RBT#browsed"})
    page.goto(f"{parley.sandbox.url}/?{address}")


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send", exact=True).click()


def log_in(page: Page, parley: Parley) -> None:
    page.goto(f"{parley.url}/")
    page.get_by_label("Username").fill(ADMIN)
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{parley.url}/admin/")


def test_an_answer_streams_into_the_chat_page(page: Page, parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(words(30), match="Stream", chunk_delay_s=0.2)
    open_chat(page, parley)

    say(page, "Stream, please")

    growing = page.locator("article[data-state=growing]")
    growing.get_by_text("word1").wait_for()
    early = growing.inner_text()
    page.locator("article[data-state=finished]").get_by_text(words(30)).wait_for()
    assert words(30).startswith(re.sub(r"\W+$", "", early.split("\n")[0]))


def test_an_answer_is_stopped_from_the_chat_page(page: Page, parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(words(300, "on"), match="Endless", chunk_delay_s=0.2)
    open_chat(page, parley)
    say(page, "Endless, please")
    page.locator("article[data-state=growing]").get_by_text("on1").wait_for()

    page.get_by_role("button", name="Stop answer").click()

    expect(page.get_by_text("You asked the robot to stop")).to_be_visible()
    expect(page.locator("article[data-state=growing]")).to_have_count(0)
    expect(page.get_by_label("Message")).to_be_enabled()
    stopped = page.locator("article[data-state=finished]").get_by_text("on1")
    assert "on300" not in stopped.inner_text()


def test_a_robot_in_a_group_answers_who_mentions_it(page: Page, parley: Parley) -> None:
    group = parley.app.group("alice", "bob", "@RBT#browsed", name="Readers")
    page.goto(f"{parley.sandbox.url}/?{urlencode({'app': parley.app.id, 'group': group.id, 'user': 'bob'})}")

    say(page, "I like poems.")
    say(page, "@Bea what do I like?")

    answer = page.locator("article[data-state=finished]").filter(has_text="Bea").last
    answer.get_by_text("[bob] @Bea what do I like?").wait_for()
    expect(page.get_by_role("log").get_by_role("article")).to_have_count(3)


def test_a_persona_changed_in_the_admin_shows_in_the_next_answer(page: Page, parley: Parley) -> None:
    log_in(page, parley)
    page.goto(f"{parley.url}/admin/bots/robot/?q=browsed")
    page.get_by_role("link", name="Bea").first.click()

    page.get_by_label("Persona").fill("You are a poet.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()

    open_chat(page, parley)
    say(page, "Who are you now?")
    page.get_by_text("(You are a poet.) You said: Who are you now?").wait_for()


def test_the_conversation_page_shows_what_was_said_and_how_long_it_took(page: Page, parley: Parley) -> None:
    user = parley.user("browsed")
    user.ask("Can you be seen?")
    log_in(page, parley)
    page.goto(f"{parley.url}/admin/conversations/conversation/?q={user.id}")

    page.get_by_role("link", name=user.id).first.click()

    expect(page.get_by_text("Can you be seen?", exact=True)).to_be_visible()
    expect(page.get_by_text("You said: Can you be seen?")).to_be_visible()
    turn = page.locator(".turn")
    expect(turn).to_contain_text("done")
    expect(turn).to_contain_text("fast")
    expect(turn).to_contain_text("tokens")


def test_a_model_is_tried_and_its_answer_streams_in(page: Page, parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(words(30), match="Try this", chunk_delay_s=0.2, reasoning="Let me think.")
    log_in(page, parley)
    page.goto(f"{parley.url}{parley.admin.find('bots/languagemodel', 'fast')}")
    page.get_by_role("link", name="Try it").click()

    page.get_by_label("Prompt").fill("Try this")
    page.get_by_role("button", name="Ask").click()

    answer = page.locator("#try-answer")
    expect(answer).to_contain_text("word1")
    early = answer.inner_text()
    expect(answer).to_have_text(words(30))
    assert early != words(30)
    expect(page.locator("#try-timings")).to_contain_text("first token")
    page.get_by_text("Thinking, which users never see").click()
    expect(page.get_by_text("Let me think.")).to_be_visible()


def test_a_failed_try_shows_the_providers_error(page: Page, parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(match="Fail this", status=500, error={"message": "out of order"})
    log_in(page, parley)
    page.goto(f"{parley.url}{parley.admin.find('bots/languagemodel', 'fast')}try/".replace("change/", ""))

    page.get_by_label("Prompt").fill("Fail this")
    page.get_by_role("button", name="Ask").click()

    expect(page.locator("#try-error")).to_contain_text("HTTP 500: out of order")


def test_a_routes_rules_are_tried_on_its_page(page: Page, parley: Parley) -> None:
    log_in(page, parley)
    page.goto(f"{parley.url}{parley.admin.find('bots/route', 'two')}")

    page.get_by_placeholder("What a user might write").fill("Why? I want a refund")
    page.get_by_role("button", name="Show").click()

    preview = page.locator("#preview")
    expect(preview).to_contain_text("Intent: refund (refund*)")
    expect(preview).to_contain_text("1. always → impatient, fast")
