"""Operators at the console, in a browser, while users write."""

from __future__ import annotations

import base64
import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, WebSocketRoute, expect

from sandbox.driver import Sandbox
from tests.conversations.test_uploads import picture
from tests.support.parley import Parley, User, asked, words

pytestmark = pytest.mark.browser

LONG: Final = words(300)
CANNED: Final = """
INSERT INTO conversations_cannedreply (shortcut, text) VALUES ('monday', 'It comes on Monday.')
"""
PICTURE: Final = picture(width=40, height=30)
LIVE_MS: Final = 10_000

type Desk = Callable[..., Page]


@dataclass
class Line:
    """A page's WebSocket, which can be cut."""

    is_cut: bool = False
    sockets: list[WebSocketRoute] = field(default_factory=list)

    def connect(self, socket: WebSocketRoute) -> None:
        if self.is_cut:
            socket.close()
        else:
            socket.connect_to_server()
            self.sockets.append(socket)

    def cut(self) -> None:
        self.is_cut = True
        for socket in self.sockets:
            socket.close()

    def mend(self) -> None:
        self.is_cut = False


@pytest.fixture
def desk(browser: Browser, parley: Parley) -> Iterator[Desk]:
    """Makes someone of a group, logged in at the console."""
    contexts: list[BrowserContext] = []

    def desk(group: str = "operator", parley: Parley = parley) -> Page:
        contexts.append(browser.new_context(viewport={"width": 1300, "height": 850}))
        page = contexts[-1].new_page()
        log_in(page, parley, group)
        return page

    yield desk
    for context in contexts:
        context.close()


def log_in(page: Page, parley: Parley, group: str) -> None:
    name = f"{group}-{secrets.token_hex(3)}"
    password = parley.run("create_operator", name, f"--group={group}").strip().splitlines()[-1]
    page.goto(f"{parley.url}/console/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#link-state")).to_have_text("live")


def open_conversation(page: Page, user: User) -> None:
    page.locator(".row").filter(has_text=user.id).first.click(timeout=LIVE_MS)
    expect(page.locator("#link-state")).to_have_text("live")
    page.locator(".head").get_by_text(user.id).wait_for()


def said_by(page: Page, sender: str) -> list[str]:
    return page.locator(f".message.{sender} .text").all_inner_texts()


def test_a_new_conversation_shows_and_its_answer_streams(
    desk: Desk, parley: Parley, sandbox: Sandbox
) -> None:
    sandbox.model.script(words(30), match="Stream", chunk_delay_s=0.2)
    page, user = desk(), parley.user()

    user.write("Stream, please")
    open_conversation(page, user)

    growing = page.locator(".message.robot[data-state=streaming] .text")
    growing.get_by_text("word1").wait_for()
    early = growing.inner_text()
    expect(page.locator(".message.robot[data-state=delivered] .text")).to_have_text(words(30))
    assert words(30).startswith(early)
    assert early != words(30)
    turn = page.locator(".turn").last
    expect(turn.locator("summary")).to_contain_text("fast")
    turn.locator("summary").click()
    expect(turn).to_contain_text("first token")


def test_take_over_in_the_middle_of_an_answer(desk: Desk, parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(LONG, match="Endless", chunk_delay_s=0.1)
    page, user = desk(), parley.user()
    user.write("Endless, please")
    open_conversation(page, user)
    page.locator(".message.robot .text").get_by_text("word1").wait_for()

    page.keyboard.press("t")

    expect(page.locator("#owner")).to_have_text("you answer")
    frames = len(user.replies()[-1].frames)
    ended = user.wait_for_reply()
    assert len(ended.frames) <= frames + 2  # one on the wire, and the last
    assert LONG.startswith(ended.text)
    assert len(ended.text) < len(LONG)

    page.get_by_label("Answer", exact=True).fill("I am a person.")
    page.keyboard.press("Enter")

    user.wait_until(lambda replies: any(reply.text == "I am a person." for reply in replies))
    expect(page.locator(".message.operator[data-state=delivered]")).to_contain_text("I am a person.")
    user.write("Good. What did you say?")
    expect(page.locator(".message.user").last).to_contain_text("What did you say?")
    page.get_by_role("button", name="Hand back").click()

    expect(page.locator("#owner")).to_have_text("the robot answers")
    user.wait_until(lambda replies: "What did you say?" in replies[-1].text)
    [request] = asked(sandbox, "What did you say?")
    told = [line["content"] for line in request["body"]["messages"]]
    assert any("I am a person." in line for line in told)
    expect(page.locator(".message.robot").last).to_contain_text("What did you say?")


def test_of_two_operators_who_click_at_once_one_wins(desk: Desk, parley: Parley) -> None:
    user = parley.user()
    user.ask("Hello")
    pages = [desk(), desk()]
    for page in pages:
        open_conversation(page, user)
    expect(pages[0].locator("#presence")).to_contain_text("operator-")

    # Both look at the same state, and neither waits for the other's answer.
    for page in pages:
        page.evaluate("document.getElementById('take-over').click()")

    owners = [page.locator("#owner") for page in pages]
    for owner in owners:
        expect(owner).not_to_have_text("the robot answers")
    winner = 0 if owners[0].inner_text() == "you answer" else 1
    expect(owners[winner]).to_have_text("you answer")
    expect(owners[1 - winner]).to_have_text(re.compile("answered by operator-"))
    expect(pages[1 - winner].get_by_label("Answer", exact=True)).to_be_disabled()


def test_a_take_over_that_comes_too_late_is_told(desk: Desk, parley: Parley) -> None:
    user = parley.user()
    user.ask("Hello")
    first, second = desk(), desk()
    second.route_web_socket("**/ws/console/", lambda socket: socket.close())  # it hears of nothing
    open_conversation(first, user)
    second.goto(first.url)

    first.get_by_role("button", name="Take over").click()
    expect(first.locator("#owner")).to_have_text("you answer")
    second.get_by_role("button", name="Take over").click()

    expect(second.get_by_role("alert")).to_contain_text("has this conversation")


def test_what_was_missed_is_caught_up_with(desk: Desk, parley: Parley) -> None:
    page, user = desk(), parley.user()
    user.ask("first")
    line = Line()
    page.route_web_socket("**/ws/console/", line.connect)
    open_conversation(page, user)
    page.evaluate("globalThis.isSame = true")  # a page that was loaded anew would have lost it

    line.cut()
    expect(page.locator("#link-state")).not_to_have_text("live")
    user.ask("second")
    user.ask("third")
    line.mend()

    expect(page.locator(".message.user")).to_have_count(3, timeout=LIVE_MS)
    expect(page.locator(".message.robot")).to_have_count(3)
    assert said_by(page, "user") == ["first", "second", "third"]
    assert page.evaluate("globalThis.isSame")


def test_a_server_that_was_restarted_is_caught_up_with(desk: Desk, own_parley: Parley) -> None:
    own_parley.configure_and_serve("ada")
    page, user = desk(parley=own_parley), own_parley.user()
    user.ask("before")
    open_conversation(page, user)
    page.evaluate("globalThis.isSame = true")

    own_parley.stop()
    expect(page.locator("#link-state")).not_to_have_text("live")
    user.write("while nobody was there")
    own_parley.serve()

    expect(page.locator(".message.robot")).to_have_count(2, timeout=3 * LIVE_MS)
    assert said_by(page, "user") == ["before", "while nobody was there"]
    assert page.evaluate("globalThis.isSame")


def test_conversations_are_passed_on_instructed_and_resolved(
    desk: Desk, parley: Parley, sandbox: Sandbox
) -> None:
    user = parley.user()
    user.ask("Hello")
    page = desk("supervisor")
    open_conversation(page, user)
    page.keyboard.press("t")
    expect(page.locator("#owner")).to_have_text("you answer")
    menu = page.locator("#menu summary")

    menu.click()
    page.get_by_label("Hand back, and tell the robot").fill("No voucher.")
    page.locator("#instruct button").click()
    expect(page.locator("#instruction")).to_have_text("the robot was told: No voucher.")
    user.ask("What did they say?")
    [request] = asked(sandbox, "What did they say?")
    assert "No voucher." in request["body"]["messages"][0]["content"]

    menu.click()
    page.get_by_label("Tags").fill("refund, vip")
    page.locator("#tag button").click()
    expect(page.locator("#tags .tag")).to_have_text(["refund", "vip"])
    menu.click()
    page.get_by_label("Ask for a rating").check()
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect(page.locator("#resolved")).to_be_visible()
    user.wait_until(lambda replies: "from 1" in replies[-1].text)
    assert user.ask("5").text == "Thank you!"
    page.locator("[data-view=closed]").click()
    expect(page.locator(".row").filter(has_text=user.id)).to_contain_text("refund")


def test_what_one_operator_does_shows_at_the_others_at_once(desk: Desk, parley: Parley) -> None:
    user = parley.user()
    user.ask("Hello")
    olive, peter = desk("supervisor"), desk()
    name = peter.locator(".me summary").inner_text()
    for page in (olive, peter):
        open_conversation(page, user)
        page.evaluate("globalThis.isSame = true")
    row = peter.locator(".row").filter(has_text=user.id)
    menu = olive.locator("#menu summary")

    menu.click()
    olive.get_by_label("Tags").fill("urgent")
    olive.locator("#tag button").click()
    expect(peter.locator("#tags .tag")).to_have_text(["urgent"])
    expect(row.locator(".tag")).to_have_text(["urgent"])
    menu.click()
    olive.get_by_label("Give to").select_option(name)
    olive.locator("#assign button").click()
    expect(peter.locator("#owner")).to_have_text("you answer")
    expect(row.locator("mark")).to_have_text(name)

    olive.keyboard.press("e")
    expect(peter.locator("#resolved")).to_be_visible()
    expect(peter.locator("#owner")).to_have_text("the robot answers")
    expect(row).to_have_count(0)
    with parley.api("sessions") as app:
        session = app.post("/sessions", json={"kind": "chat", "robot": "@RBT#ada", "user_id": user.id}).json()
        app.post(f"/sessions/{session['id']}/rating", json={"score": 4})
    expect(peter.locator("#rating")).to_have_text("rated 4 of 5")

    user.ask("One more thing")
    expect(peter.locator("#resolved")).to_be_hidden()
    expect(row).to_have_count(1)
    assert all(page.evaluate("globalThis.isSame") for page in (olive, peter))


def test_supervisors_see_figures(desk: Desk) -> None:
    page = desk("supervisor")

    page.goto(f"{page.url.partition('/console')[0]}/console/numbers/?days=30")

    expect(page.get_by_role("heading", name="Robots")).to_be_visible()
    for scheme in ("light", "dark"):
        for width in (1300, 390):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 850})
            if folder := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=f"{folder}/numbers-{width}-{scheme}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_who_asks_for_people_waits_and_is_taken(desk: Desk, parley: Parley) -> None:
    page, user = desk(), parley.user("people")

    user.write("I want a human")

    expect(page).to_have_title(re.compile(r"\(\d+\)"), timeout=LIVE_MS)
    page.locator("[data-view=waiting]").click()
    open_conversation(page, user)
    expect(page.locator("#owner")).to_have_text("waiting for a person: the user asked for people")
    page.keyboard.press("t")
    expect(page.locator("#owner")).to_have_text("you answer")
    page.locator("[data-view=mine]").click()
    expect(page.locator(".row")).to_have_count(1)
    expect(page.locator(".row")).to_contain_text(user.id)


def test_a_supervisor_hands_back_what_an_outside_desk_has(desk: Desk, parley: Parley) -> None:
    with parley.api("operate") as outside:
        user = parley.user()
        user.ask("Hello")
        [conversation] = outside.get("/conversations", params={"user_id": user.id}).json()["results"]
        outside.post(f"/conversations/{conversation['id']}/take_over")
        page = desk("supervisor")

        open_conversation(page, user)

        expect(page.locator("#owner")).to_have_text("answered by tests")
        page.get_by_role("button", name="Hand back").click()
        expect(page.locator("#owner")).to_have_text("the robot answers")


def test_viewers_look_on(desk: Desk, parley: Parley) -> None:
    user = parley.user()
    user.ask("Hello")
    page, covered = desk("viewer"), f"us***{user.id[-2:]}"

    page.locator(".row").filter(has_text=covered).first.click(timeout=LIVE_MS)

    expect(page.locator(".messages").get_by_text("You said: Hello")).to_be_visible()
    expect(page.locator(".head")).to_contain_text(covered)
    assert user.id not in page.content()
    expect(page.get_by_role("button", name="Take over")).to_have_count(0)
    expect(page.locator("#composer")).to_have_count(0)
    refused = page.context.request.post(
        f"{page.url.partition('?')[0]}take-over/",
        headers={"X-CSRFToken": page.locator("[name=csrfmiddlewaretoken]").first.input_value()},
    )
    assert refused.status == 403


def test_keys_are_explained_and_work(desk: Desk, parley: Parley) -> None:
    parley.user().ask("Hello")
    page = desk()

    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("take over")
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("j")

    expect(page.locator(".messages .message").first).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()


def test_search_finds_what_was_said_in_both_scripts(desk: Desk, parley: Parley) -> None:
    token = secrets.token_hex(4)
    user = parley.user()
    user.ask(f"我想申请退款，订单 {token}")
    page = desk()

    page.get_by_label("Search").fill(f"退款 {token}")
    page.keyboard.press("Enter")

    hit = page.locator(".found .row", has=page.locator("mark")).first
    expect(hit.locator("mark").first).to_have_text("退款")
    hit.click()
    shown = page.locator("[data-shown]")
    expect(shown).to_contain_text(f"订单 {token}")
    expect(shown).to_be_in_viewport()


def test_two_operators_and_all_that_helps_them_answer(desk: Desk, parley: Parley, sandbox: Sandbox) -> None:
    user = parley.user()
    user.ask("Hello")
    olive, peter = desk(), desk()
    name = peter.locator(".me summary").inner_text()
    open_conversation(olive, user)
    olive.keyboard.press("t")
    box = olive.get_by_label("Answer", exact=True)

    olive.keyboard.press("m")
    box.fill(f"@{name}, can you look?")
    olive.keyboard.press("Enter")
    peter.locator("[data-view=mentioned] .count").wait_for(timeout=LIVE_MS)
    peter.keyboard.press("6")
    open_conversation(peter, user)
    expect(peter.locator(".message.note")).to_contain_text("can you look?")
    expect(peter.locator("[data-view=mentioned] .count")).to_have_count(0, timeout=LIVE_MS)

    user.write("Where is my order?")
    expect(olive.locator(".message.user").last).to_contain_text("Where is my order?", timeout=LIVE_MS)
    olive.get_by_role("button", name="Suggest").click()
    expect(box).to_have_value(re.compile("You said: Where is my order\\?$"))
    with parley.installation.connect() as database:
        database.execute(CANNED)
    box.fill("")
    box.press_sequentially("/mon")
    expect(olive.locator("#canned [role=option]")).to_have_text("/monday It comes on Monday.")
    olive.keyboard.press("Enter")
    expect(box).to_have_value("It comes on Monday.")
    olive.keyboard.press("Enter")
    said = olive.locator(".message.operator", has_text="It comes on")
    expect(said).to_have_attribute("data-state", "delivered", timeout=LIVE_MS)

    said.get_by_role("button", name="Edit").click()
    box.fill("It comes on Tuesday.")
    olive.keyboard.press("Enter")
    user.wait_until(lambda replies: replies[-1].text == "It comes on Tuesday.")
    expect(peter.locator(".message.operator .text")).to_have_text("It comes on Tuesday.", timeout=LIVE_MS)
    said.get_by_role("button", name="Recall").click()

    user.wait_until(lambda replies: replies[-1].is_recalled)
    expect(peter.locator(".message.operator")).to_have_attribute("data-state", "recalled", timeout=LIVE_MS)
    assert "look" not in "".join(reply.text for reply in user.replies())


def test_who_looks_and_types_is_seen_and_the_user_too(desk: Desk, parley: Parley) -> None:
    user = parley.user()
    user.ask("Hello")
    olive, peter = desk(), desk()
    for page in (olive, peter):
        open_conversation(page, user)
    olive.keyboard.press("t")
    name = olive.locator(".me summary").inner_text()
    expect(peter.locator("#owner")).to_have_text(f"answered by {name}", timeout=LIVE_MS)

    olive.get_by_label("Answer", exact=True).press_sequentially("I am")

    expect(peter.locator("#typing")).to_have_text(f"{name} is typing …")
    peter.keyboard.press("u")
    expect(peter.locator("#panel")).to_contain_text("this month")
    turn = peter.locator(".turn").last
    turn.locator("summary").click()
    expect(turn.locator(".more-of-turn")).to_contain_text("rule 1")


def drop(page: Page, target: str, event: str, name: str, content: bytes) -> None:
    """As if the operator dropped or pasted a file there."""
    page.locator(target).evaluate(
        """(place, [type, name, words]) => {
            const data = new DataTransfer();
            data.items.add(new File([Uint8Array.from(atob(words), (c) => c.charCodeAt(0))], name));
            const init = { bubbles: true, cancelable: true };
            place.dispatchEvent(type === "paste"
                ? new ClipboardEvent(type, { ...init, clipboardData: data })
                : new DragEvent(type, { ...init, dataTransfer: data }));
        }""",
        [event, name, base64.b64encode(content).decode()],
    )


def test_pictures_and_files_reach_the_user(
    desk: Desk, browser: Browser, parley: Parley, sandbox: Sandbox
) -> None:
    user = User(parley, "chen", "@RBT#ada")  # whom the chat page knows
    user.ask("Hello")
    page = desk()
    open_conversation(page, user)
    page.keyboard.press("t")
    expect(page.locator("#owner")).to_have_text("you answer")
    sent = page.locator(".message.operator[data-state=delivered]")

    page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": PICTURE})
    expect(sent.locator("img.picture")).to_have_js_property("naturalWidth", 40)
    drop(page, "#text", "paste", "b.png", PICTURE)
    expect(sent).to_have_count(2)
    drop(page, "#scroll", "drop", "Bill.pdf", b"%PDF-1.7")
    expect(sent.get_by_role("link", name="Bill.pdf")).to_be_visible()
    drop(page, "#scroll", "drop", "page.html", b"<script>alert(1)</script>")
    expect(page.get_by_role("alert")).to_contain_text("Files of this type are not sent")

    refusal = {"error_codes": {"openim/sendmsg": 80004}, "error_times": 1}
    sandbox.faults(api=refusal)
    drop(page, "#scroll", "drop", "c.png", PICTURE)
    failed = page.locator(".message.operator[data-state=failed]")
    expect(failed.locator(".problem")).to_contain_text("80004")
    failed.get_by_role("button", name="Send again").click()
    expect(sent).to_have_count(4)

    shown = user.wait_until(lambda replies: len(replies) == 5)[1:]
    assert [each.kind for each in shown] == ["image", "image", "file", "image"]
    assert httpx.get(shown[0].url, trust_env=False).content == PICTURE
    assert httpx.get(shown[2].url, trust_env=False).headers["content-disposition"].startswith("attachment")
    chat = browser.new_context().new_page()
    chat.goto(f"{sandbox.url}/?{urlencode({'app': parley.app.id, 'user': user.id, 'robot': user.robot})}")
    expect(chat.get_by_role("img", name="Picture").first).to_have_js_property("naturalWidth", 40)
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/console-files.png")
        chat.screenshot(path=f"{folder}/chat-files.png")
    chat.context.close()

    page.keyboard.press("Escape")
    page.get_by_role("button", name="Hand back").first.click()
    user.ask("Did I get the bill?")
    [request] = asked(sandbox, "Did I get the bill?")
    told = "\n".join(line["content"] for line in request["body"]["messages"])
    assert "[written by a human colleague] [file] Bill.pdf" in told


def test_who_begins_to_answer_takes_over_and_loses_no_words(desk: Desk, parley: Parley) -> None:
    user = parley.user()
    user.ask("Hello")
    page = desk()
    open_conversation(page, user)
    box = page.get_by_label("Answer", exact=True)

    box.press_sequentially("I am a person")
    expect(page.locator("#owner")).to_have_text("you answer")
    page.reload()
    expect(box).to_have_value("I am a person")
    box.press("Enter")
    user.wait_until(lambda replies: replies[-1].text == "I am a person")
    page.reload()
    expect(page.locator(".message.operator")).to_contain_text("I am a person")
    expect(box).to_have_value("")

    page.keyboard.press("l")
    expect(page.get_by_label("Tags")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#menu summary")).to_be_focused()
    row = page.locator(".row").filter(has_text=user.id)
    row.focus()
    user.write("Something else")
    expect(row).to_contain_text("Something else")
    expect(row).to_be_focused()
    page.keyboard.press("b")
    expect(page.locator("#owner")).to_have_text("the robot answers")


def serious(page: Page) -> list[str]:
    """What axe finds that keeps people from using the page."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:200]}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


def look(page: Page, name: str) -> None:
    """Light and dark, at a desk and on a phone: nothing overflows, nobody is kept from using it."""
    for scheme in ("light", "dark"):
        for width in (1300, 390):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.set_viewport_size({"width": width, "height": 850})
            if folder := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=f"{folder}/{name}-{width}-{scheme}.png")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert serious(page) == [], f"{name}, {scheme}"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1300, "height": 850})


def test_every_page_and_dialog_can_be_used_by_everybody_in_chinese_too(desk: Desk, parley: Parley) -> None:
    user = parley.user("people")
    user.ask("Hello")
    user.write("I want a human, please")
    page = desk("supervisor")
    page.context.add_cookies([{"name": "django_language", "value": "zh-hans", "url": parley.url}])
    page.goto(f"{parley.url}/console/?view=waiting")
    look(page, "zh-list")
    page.locator(".row").filter(has_text=user.id).click()
    page.locator("#take-over").click()
    expect(page.locator("#owner")).to_have_text("由您回复")
    look(page, "zh-conversation")
    page.locator("#menu summary").click()
    look(page, "zh-menu")
    page.keyboard.press("Escape")
    page.locator("#about").click()
    page.locator("#panel dl").wait_for()
    look(page, "zh-user")
    page.locator("#scroll").focus()
    page.keyboard.press("?")
    look(page, "zh-keys")
    page.keyboard.press("Escape")
    me = page.locator(".me summary")
    name = me.inner_text()
    me.click()
    look(page, "zh-me")
    page.goto(f"{parley.url}/console/?q=human")
    page.locator(".found .row").first.wait_for()
    look(page, "zh-found")
    page.goto(f"{parley.url}/console/?q=nothing-of-the-kind")
    look(page, "zh-nothing")
    page.goto(f"{parley.url}/console/numbers/?days=7")
    look(page, "zh-numbers")
    with parley.installation.connect() as database:
        database.execute(
            "DELETE FROM auth_user_groups USING auth_user WHERE user_id = auth_user.id AND username = %s",
            [name],
        )
    page.goto(f"{parley.url}/console/")
    expect(page.get_by_role("main")).to_contain_text(name)
    look(page, "zh-not-for-you")
    page.context.clear_cookies(name="sessionid")
    page.goto(f"{parley.url}/console/")
    look(page, "zh-login")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 390], ids=["desktop", "phone"])
def test_the_console_fits_the_screen(desk: Desk, parley: Parley, scheme: str, width: int) -> None:
    user = parley.user()
    user.ask("How do I change the address of an order that I have paid for already?")
    page = desk()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 850})

    for step in ("list", "conversation"):
        if step == "conversation":
            open_conversation(page, user)
            page.get_by_role("button", name="Take over").click()
            expect(page.locator("#owner")).to_have_text("you answer")
            page.get_by_role("button", name="User").click()
            expect(page.locator("#panel")).to_contain_text("this month")
            page.get_by_role("button", name="Note").click()
            page.get_by_label("Answer", exact=True).fill("The order is in the warehouse.")
            page.keyboard.press("Enter")
            page.locator(".message.note").wait_for()
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/console-{step}-{width}-{scheme}.png")
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
