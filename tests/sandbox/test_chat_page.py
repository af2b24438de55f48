"""The chat page, as a person uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from bots.errors import EditingUnavailable
from bots.events import Address, OutgoingMessage, RobotProfile
from bots.vendors import vendor_class
from bots.vendors.config import read_config
from sandbox.driver import App, EasemobApp, Group, Sandbox, ZegoApp
from tests.bots.vendors.cases import closing
from tests.sandbox.conftest import ROBOT, USER, Receiver, Server, chatbot, text

pytestmark = pytest.mark.browser

NASTY = "<b>bold</b> <img src=x onerror=document.title='gone'> javascript:alert(1)"


@pytest.fixture
def page(browser: Browser, sandbox: Sandbox, server: Server) -> Iterator[Page]:
    """The page, open at our robot.  No error may show up in the browser's console."""
    context = browser.new_context(viewport={"width": 1300, "height": 800})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto(f"{sandbox.url}/?app={server.app.id}&robot={ROBOT.replace('@', '%40').replace('#', '%23')}")
    page.get_by_role("log").get_by_text("hello", exact=True).wait_for()
    yield page
    context.close()
    assert errors == []


def say(page: Page, words: str) -> None:
    page.get_by_label("Message").fill(words)
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_role("log").get_by_text(words).wait_for()


def test_an_answer_streams_in(page: Page, server: Server) -> None:
    say(page, "What is new?")
    key = server.send(chatbot("", is_finished=0))["MsgKey"]
    page.get_by_role("img", name="is typing").wait_for()
    server.edit(key, chatbot("Not", is_finished=0))
    page.locator("article[data-state=growing]").get_by_text("Not", exact=True).wait_for()
    server.edit(key, chatbot("Not much."))
    page.locator("article[data-state=finished]").get_by_text("Not much.", exact=True).wait_for()
    assert page.locator("#spoken").text_content() == "Ada: Not much."


def test_the_input_is_locked_until_the_answer_is_finished(page: Page, server: Server) -> None:
    say(page, "What is new?")
    expect(page.get_by_label("Message")).to_be_disabled()
    key = server.send(chatbot("Not", is_finished=0))["MsgKey"]
    expect(page.get_by_text("The answer is being written")).to_be_visible()
    server.edit(key, chatbot("Not much."))
    expect(page.get_by_label("Message")).to_be_focused()


def test_a_plain_text_leaves_it_locked_and_a_person_can_unlock_it(page: Page, server: Server) -> None:
    say(page, "What is new?")
    server.send(text("Not much."))
    expect(page.get_by_text("A plain text does not unlock")).to_be_visible()
    page.get_by_role("button", name="Unlock").click()
    expect(page.get_by_label("Message")).to_be_focused()


def test_words_are_words_and_never_markup(page: Page, server: Server) -> None:
    server.send(chatbot(NASTY))
    page.get_by_role("log").get_by_text(NASTY).wait_for()
    say(page, f"{NASTY} too")
    assert page.title() == "Sandbox chat"
    assert page.locator("#log b, #log img").count() == 0


def test_a_hostile_address_is_no_link(page: Page, server: Server) -> None:
    content = {"Url": "javascript:alert(1)", "UUID": "1", "FileSize": 1, "FileName": "free money"}
    server.send([{"MsgType": "TIMFileElem", "MsgContent": content}])
    page.get_by_role("log").get_by_text("free money").wait_for()
    assert page.get_by_role("link", name="free money").count() == 0


def test_errors_and_recalls_are_shown(page: Page, server: Server) -> None:
    key = server.send(chatbot("", src=23, errorInfo="No answer now."))["MsgKey"]
    page.locator(".bubble.error").get_by_text("No answer now.").wait_for()
    recall = {"From_Account": ROBOT, "To_Account": USER, "MsgKey": key}
    server.call("openim/admin_msgwithdraw", recall)
    page.get_by_text("This message was recalled").wait_for()


def test_a_picture_is_sent_and_seen(page: Page, server: Server) -> None:
    page.get_by_role("button", name="Send a picture, voice or file").click()
    page.get_by_role("button", name="A picture", exact=True).click()
    picture = page.get_by_role("log").get_by_role("img", name="Picture")
    picture.wait_for()
    page.wait_for_function("document.querySelector('#log img').naturalWidth === 320")
    assert server.app.messages(USER, ROBOT)[-1].kind == "image"


def test_a_running_answer_can_be_stopped(page: Page, server: Server) -> None:
    say(page, "Tell me everything")
    key = server.send(chatbot("Well", is_finished=0))["MsgKey"]
    page.get_by_role("button", name="Stop answer").click()
    page.get_by_text("You asked the robot to stop").wait_for()
    assert server.app.messages(USER, ROBOT)[-1].text == key


def test_the_drawer_shows_what_went_over_the_wire(page: Page, server: Server) -> None:
    page.get_by_role("button", name="Wire").click()
    drawer = page.get_by_role("complementary", name="What went over the wire")
    server.send(chatbot("Hello", is_finished=0, description=""))
    drawer.get_by_text("openim/sendmsg").wait_for()
    drawer.get_by_text("desc missing").wait_for()
    drawer.get_by_text("openim/sendmsg").click()
    drawer.get_by_text(re.compile('"To_Account": "alice"')).wait_for()


@pytest.mark.parametrize("kind, robot, setting, refusal", [
    (ZegoApp, "@RBT#ada", "can_edit", "not in this plan"),
    (EasemobApp, "ada", "has_streams", "stream message service is unopened"),
])  # fmt: skip
def test_the_drawer_shows_what_each_cloud_refused_and_why(
    page: Page, sandbox: Sandbox, kind: type[App], robot: str, setting: str, refusal: str
) -> None:
    app = sandbox.register_app_of(kind)
    cls = vendor_class(kind.vendor)
    alice = Address(kind="peer", id=USER)
    message = OutgoingMessage(robot_id=robot, conversation=alice, text="Hello", key=7, is_stream=True)
    with closing(cls(read_config(cls.Config, app.config()))) as vendor:
        vendor.register(RobotProfile(user_id=robot, nickname="Ada"))
        app.send(USER, robot, "hello")
        page.goto(f"{sandbox.url}/?{urlencode({'app': app.id, 'robot': robot})}")
        page.get_by_role("button", name="Wire").click()
        sent = vendor.send(message)
        app.change(**{setting: False})
        with pytest.raises(EditingUnavailable):
            vendor.edit(replace(message, vendor_message_id=sent.vendor_message_id, frame=1))

    drawer = page.get_by_role("complementary", name="What went over the wire")
    drawer.get_by_text("text, 5 characters", exact=True).wait_for()
    drawer.get_by_text(refusal).wait_for()


def test_faults_are_switched_on_and_off(page: Page, sandbox: Sandbox) -> None:
    page.get_by_role("button", name="Faults").click()
    page.get_by_label("each five times at once").check()
    expect(page.locator("#faults-count")).to_have_text("1")
    assert sandbox.get("/faults")["callbacks"]["duplicate"] == 5
    page.get_by_label("each five times at once").uncheck()
    expect(page.locator("#faults-count")).to_be_hidden()
    assert sandbox.get("/faults")["callbacks"]["duplicate"] == 1


def test_every_user_has_a_conversation_of_their_own(page: Page) -> None:
    page.get_by_label("You are").select_option("bob")
    page.get_by_text("Say hello.").wait_for()
    page.get_by_label("You are").select_option("alice")
    page.get_by_role("log").get_by_text("hello", exact=True).wait_for()


def test_a_new_robot_appears_by_itself(page: Page, server: Server) -> None:
    server.call("openim_robot_http_svc/create_robot", {"UserID": "@RBT#otto", "Nick": "Otto"})
    page.get_by_role("button", name="Otto").wait_for()


@pytest.fixture
def club(page: Page, server: Server) -> Group:
    """A group, open in the page."""
    club = server.app.group("alice", "bob", "chen", ROBOT, name="Club")
    page.get_by_role("button", name="Club").click()
    page.get_by_text("Who mentions the robot gets an answer.").wait_for()
    return club


def test_a_group_is_written_in_by_several_users(page: Page, club: Group) -> None:
    say(page, "I am Alice.")
    page.get_by_label("You are").select_option("bob")
    page.get_by_role("article").filter(has_text="alice").get_by_text("I am Alice.").wait_for()
    say(page, "I am Bob.")

    assert [(said.sender, said.text) for said in club.messages()] == [
        ("alice", "I am Alice."),
        ("bob", "I am Bob."),
    ]
    assert page.locator(".author").all_text_contents() == ["alice"]  # not over one's own


def test_a_mention_is_picked_from_the_members(
    page: Page, server: Server, club: Group, receiver: Receiver
) -> None:
    server.app.change(callback_url=receiver.url, callbacks=["Bot.OnGroupMessage"])
    page.get_by_role("button", name="Mention somebody").click()
    page.get_by_role("button", name="Ada (robot)").click()
    page.keyboard.type("who are you?")
    page.keyboard.press("Enter")
    page.get_by_role("log").get_by_text("@Ada who are you?").wait_for()

    assert receiver.next().body["AtRobots_Account"] == [ROBOT]


def test_a_mention_is_completed_while_it_is_typed(page: Page, club: Group) -> None:
    page.get_by_label("Message").press_sequentially("Is @a")
    expect(page.get_by_role("button", name="Ada (robot)")).to_be_visible()
    expect(page.locator("#member-list").get_by_text("bob")).to_be_hidden()
    page.get_by_role("button", name="Ada (robot)").click()

    expect(page.get_by_label("Message")).to_have_value("Is @Ada ")
    expect(page.locator("#members")).to_be_hidden()


def test_a_robot_answers_in_the_group_under_its_name(page: Page, server: Server, club: Group) -> None:
    message = {"GroupId": club.id, "Random": 7, "From_Account": ROBOT, "MsgBody": chatbot("Hello, all.")}
    server.call("group_open_http_svc/send_group_msg", message | {"OfflinePushInfo": {"Desc": "Hello"}})

    page.get_by_role("article").filter(has_text="Ada").get_by_text("Hello, all.").wait_for()
    expect(page.get_by_label("Message")).to_be_enabled()
