"""A call at the simulated voice service: the robot's own mind speaks, and people listen in and take over."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sandbox.driver import Sandbox, ZegoApp
from tests.acceptance.conftest import REFUSING, SORRY, installed
from tests.support.parley import ACCOUNT, JSONDict, Parley, robot, route
from tests.support.processes import eventually

# Spoken sentence by sentence, for longer than anybody takes to stop it.
SENTENCES: Final = 400
LIVE_MS: Final = 20_000
STORY: Final = " ".join(f"Sentence {number}." for number in range(1, SENTENCES + 1))


class Line:
    """A call, as its user, the app's backend and an outside desk have it."""

    def __init__(self, parley: Parley, api: httpx.Client, template: str) -> None:
        self.api = api
        wanted = {"kind": "voice", "template": template, "user_id": f"user-{secrets.token_hex(6)}"}
        response = api.post("/sessions", json=wanted)
        assert response.status_code == 201, response.text
        self.session: JSONDict = response.json()
        self.rtc: JSONDict = self.session["rtc"]
        assert isinstance(parley.app, ZegoApp)
        self.app: ZegoApp = parley.app
        self.app.enter(self.rtc)

    def say(self, text: str) -> None:
        self.app.speak(self.rtc, text)

    def until_said(self, text: str) -> JSONDict:
        return self.app.wait_for_speech(self.rtc, text)

    def until(self, holds: Any) -> JSONDict:
        """The agent, once that is true of it."""

        def mine(instances: list[JSONDict]) -> list[JSONDict]:
            return [each for each in instances if each["room"] == self.rtc["room_id"] and holds(each)]

        [instance] = mine(self.app.wait_for_instances(lambda instances: bool(mine(instances))))
        return instance

    def move(self, move: str, **content: Any) -> JSONDict:
        """What an outside desk does with the conversation."""
        response = self.api.post(f"/conversations/{self.session['conversation']}/{move}", json=content)
        assert response.is_success, response.text
        answer: JSONDict = response.json()
        return answer

    def messages(self) -> list[tuple[str, str, str]]:
        found = self.api.get(f"/conversations/{self.session['conversation']}/messages").json()["results"]
        return [(each["kind"], each["sender"], each["text"]) for each in found]

    def end(self) -> None:
        self.api.delete(f"/sessions/{self.session['id']}")


def said_by_agent(instance: JSONDict) -> str:
    return "".join(each["text"] for each in instance["said"] if each["who"] == "agent")


def is_told_to_the_end(instance: JSONDict) -> bool:
    return f"Sentence {SENTENCES}." in said_by_agent(instance)


def voice(slug: str, robot_id: str, **settings: Any) -> JSONDict:
    names = {"slug": slug, "account": ACCOUNT, "agent_id": slug, "robot": f"@RBT#{robot_id}"}
    return {**names, "tts": {"vendor": "MiniMax", "params": {"model": "speech-2"}}, **settings}


@pytest.fixture(scope="module")
def parley(template: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parley]:
    with installed("brain", template, sandbox, tmp_path_factory.mktemp("brain"), ZegoApp) as parley:
        parley.apply(
            accounts=[parley.account()],
            models=[parley.model("fast"), parley.model("refusing", base_url=REFUSING)],
            routes=[route("default", "fast"), route("refusing", "refusing")],
            robots=[robot("ada"), robot("refusing", route="refusing", reply={"fallback": SORRY})],
            agent_templates=[voice("ada", "ada"), voice("refusing", "refusing")],
        )
        parley.serve()
        parley.app.change(agent_callback_url=f"{parley.callback_url}agent/")
        parley.until_registered("ada", "refusing")
        yield parley


@pytest.fixture(scope="module")
def api(parley: Parley) -> Iterator[httpx.Client]:
    with parley.api("sessions", "operate") as client:
        yield client


@pytest.fixture
def line(parley: Parley, api: httpx.Client) -> Iterator[Line]:
    line = Line(parley, api, "ada")
    yield line
    line.end()


def test_what_is_said_is_spoken_and_kept_once(line: Line, sandbox: Sandbox) -> None:
    sandbox.model.script("It is sunny. Take a hat!", match="weather")

    line.say("How is the weather?")

    line.until_said("Take a hat!")
    kept = [
        ("call", "user", "How is the weather?"),
        ("call", "robot", "It is sunny. Take a hat!"),
    ]
    eventually(lambda: line.messages() == kept)
    line.end()
    assert line.messages() == kept


def test_a_model_that_fails_leaves_no_agent_mute(parley: Parley, api: httpx.Client) -> None:
    line = Line(parley, api, "refusing")

    line.say("Hello?")

    line.until_said(SORRY)
    line.end()


def test_people_take_a_call_over_and_hand_it_back(line: Line, sandbox: Sandbox) -> None:
    sandbox.model.script(STORY, match="story", chunk_delay_s=0.05)
    sandbox.model.script("Here I am again.", match="still there")
    line.say("Tell me a story.")
    line.until(said_by_agent)

    line.move("take_over")
    line.until(lambda instance: instance["status"] == "LISTENING")
    line.say("Hello?")
    line.move("messages", text="A human speaks.")

    instance = line.until_said("A human speaks.")
    assert not is_told_to_the_end(instance)
    eventually(lambda: ("call", "operator", "A human speaks.") in line.messages())

    line.move("hand_back")
    line.say("Are you still there?")
    line.until_said("Here I am again.")


@pytest.fixture
def console(browser: Browser, parley: Parley, line: Line) -> Iterator[Page]:
    """An operator's, with the conversation of the call open."""
    context = browser.new_context(viewport={"width": 1300, "height": 850})
    page = context.new_page()
    name = f"operator-{secrets.token_hex(3)}"
    password = parley.run("create_operator", name, "--group=operator").strip().splitlines()[-1]
    page.goto(f"{parley.url}/console/{line.session['conversation']}/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#link-state")).to_have_text("live")
    yield page
    context.close()


@pytest.mark.browser
def test_an_operator_hears_a_call_at_the_console_and_moves_in_it(
    line: Line, console: Page, sandbox: Sandbox
) -> None:
    sandbox.model.script(STORY, match="story", chunk_delay_s=0.05)
    sandbox.model.script("I was told: a discount.", match="offer a discount")
    bar = console.get_by_role("region", name="Call")
    expect(bar).to_be_visible()

    hear_a_story(line, console)
    expect(captions(console, "user")).to_have_text(["Tell me a story."], timeout=LIVE_MS)
    expect(bar).to_contain_text("speaking", timeout=LIVE_MS)
    expect(console.locator(".message.user .state")).to_be_hidden()
    bar.get_by_role("button", name="Interrupt").click()
    instance = line.until(lambda instance: instance["status"] == "LISTENING")
    assert not is_told_to_the_end(instance)

    words = bar.get_by_label("To be said in the call")
    words.fill("A person speaks.")
    bar.get_by_role("button", name="Say").click()
    line.until_said("A person speaks.")
    expect(captions(console, "operator")).to_have_text(["A person speaks."], timeout=LIVE_MS)
    expect(words).to_have_value("")

    words.fill("offer a discount")
    bar.get_by_role("button", name="Whisper").click()
    line.until_said("I was told: a discount.")
    expect(captions(console, "robot").last).to_have_text("I was told: a discount.", timeout=LIVE_MS)
    expect(console.get_by_text("offer a discount", exact=True)).to_have_count(0)

    line.end()
    expect(bar).to_be_hidden(timeout=LIVE_MS)


@pytest.mark.browser
def test_an_operator_takes_a_call_over_at_the_console_and_hands_it_back(
    line: Line, console: Page, sandbox: Sandbox
) -> None:
    sandbox.model.script(STORY, match="story", chunk_delay_s=0.05)
    sandbox.model.script("Here I am again.", match="still there")
    hear_a_story(line, console)

    console.get_by_role("button", name="Take over").click()
    expect(console.locator("#owner")).to_have_text("you answer")
    line.until(lambda instance: instance["status"] == "LISTENING")
    console.get_by_label("Answer", exact=True).fill("A person answers.")
    console.get_by_role("button", name="Send", exact=True).click()

    instance = line.until_said("A person answers.")
    assert not is_told_to_the_end(instance)
    expect(captions(console, "operator")).to_have_text(["A person answers."], timeout=LIVE_MS)
    console.get_by_role("button", name="Hand back").first.click()
    expect(console.locator("#owner")).to_have_text("the robot answers")
    line.say("Are you still there?")
    line.until_said("Here I am again.")


def hear_a_story(line: Line, console: Page) -> None:
    """Have one asked for, until the robot is in the middle of it."""
    line.say("Tell me a story.")
    expect(captions(console, "robot")).to_contain_text("Sentence 1.", timeout=LIVE_MS)


def captions(page: Page, sender: str) -> Locator:
    return page.locator(f".message.{sender} .text")
