"""Calls from outside: started by the REST API, held at the simulated voice service, never left behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Browser, expect

from sandbox.driver import Sandbox, TencentApp, ZegoApp
from tests.acceptance.conftest import installed
from tests.bots.llms.provider import Provider, failing
from tests.support.parley import Parley, asked, robot, route, words
from tests.support.processes import eventually

ZEGO: Final = "voices"  # the account whose voice service is used
WITHIN_S: Final = 60.0  # after which no instance may be left behind

# The first test waits for all processes to start, on a machine that may be busy.
pytestmark = pytest.mark.timeout(300)

type JSONDict = dict[str, Any]


class Stage:
    """A Parley with a robot in a Tencent chat and one in a ZIM chat, who can both be called."""

    def __init__(self, parley: Parley, zego: ZegoApp) -> None:
        self.parley = parley
        self.zego = zego
        self.sandbox = parley.sandbox
        self.api = parley.api("sessions")

    def call(self, template: str, user: str, **more: Any) -> httpx.Response:
        wanted = {"kind": "voice", "template": template, "user_id": user} | more
        return self.api.post("/sessions", json=wanted)

    def started(self, template: str, user: str) -> JSONDict:
        """The session of a call in which the user is."""
        response = self.call(template, user)
        assert response.status_code == 201, response.text
        session: JSONDict = response.json()
        self.zego.enter(session["rtc"])
        return session

    def end(self, session: JSONDict) -> None:
        ended = self.api.delete(f"/sessions/{session['id']}")
        assert (ended.status_code, ended.json()["state"]) == (200, "ended")

    def wait_until_empty(self) -> None:
        self.zego.wait_for_instances(lambda instances: not instances, WITHIN_S)

    def state_of(self, session: JSONDict) -> str:
        state: str = self.api.get(f"/sessions/{session['id']}").json()["state"]
        return state


def voice_of(slug: str, robot_id: str, **settings: Any) -> JSONDict:
    """An entry of `agent_templates` in a configuration file."""
    speech = {"vendor": "MiniMax", "params": {"app": {"api_key": "${ZEGO_SECRET}"}, "model": "speech-2"}}
    names = {"slug": slug, "account": ZEGO, "agent_id": slug, "name": slug, "robot": robot_id}
    return {**names, "tts": speech, **settings}


@pytest.fixture(scope="module")
def stage(template: str, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("voice")
    with installed("voice", template, sandbox, folder, TencentApp) as parley:
        zego = sandbox.register_app_of(ZegoApp)
        names = zego.secret_settings.items()
        parley.secrets |= {name: zego.settings[setting] for name, setting in names}
        config = zego.config() | {setting: f"${{{name}}}" for name, setting in names}
        parley.apply(
            accounts=[parley.account(), {"slug": ZEGO, "vendor": "zego", "config": config}],
            models=[parley.model("fast")],
            routes=[route("default", "fast")],
            robots=[robot("ada"), robot("bea") | {"account": ZEGO}],
            agent_templates=[
                voice_of("ada-voice", "@RBT#ada"),
                voice_of("bea-voice", "@RBT#bea", serves_samples=True),
                voice_of("direct-voice", "@RBT#ada", llm="direct"),
            ],
        )
        parley.serve()
        addresses = {
            "callback_url": f"{parley.url}/callbacks/{ZEGO}/",
            "agent_callback_url": f"{parley.url}/callbacks/{ZEGO}/agent/",
        }
        zego.change(**addresses)
        parley.until_registered("ada")
        zego.wait_for_robot("@RBT#bea")
        stage = Stage(parley, zego)
        yield stage
        stage.api.close()


def test_templates_are_registered_and_mended(stage: Stage) -> None:
    def registered() -> set[str]:
        calls = stage.sandbox.calls("RegisterAgent", app=stage.zego.id)
        return {each["body"]["AgentId"] for each in calls if each["answer"]["Code"] == 0}

    eventually(lambda: registered() == {"ada-voice", "bea-voice", "direct-voice"})
    [call] = [each for each in stage.sandbox.calls("RegisterAgent") if each["body"]["AgentId"] == "ada-voice"]
    assert call["body"]["LLM"]["Url"] == f"{stage.parley.url}/brain/ada-voice/v1/chat/completions"
    assert call["body"]["TTS"]["Params"]["app"]["api_key"] == stage.zego.settings["server_secret"]


@pytest.mark.parametrize("cloud", ["tencent", "zego"])
def test_a_call_knows_the_chat_and_the_chat_knows_the_call(stage: Stage, cloud: str) -> None:
    app = stage.parley.app if cloud == "tencent" else stage.zego
    robot_id, name = ("@RBT#ada", "ada-voice") if cloud == "tencent" else ("@RBT#bea", "bea-voice")
    user = f"caller-{cloud}"
    model = stage.sandbox.model
    model.script("Hello, Alice.", match="my name is Alice")
    first = app.send(user, robot_id, "my name is Alice")
    app.wait_for_reply(user, robot_id, after=first)

    session = stage.started(name, user)
    model.script("You are Alice. It is nine.", match="who am I")
    stage.zego.speak(session["rtc"], "who am I")
    stage.zego.wait_for_speech(session["rtc"], "It is nine.")
    stage.end(session)
    [heard] = asked(stage.sandbox, "who am I")
    assert "my name is Alice" in str(heard["body"]["messages"])

    model.script("You asked who you are.", match="what did I ask")
    question = app.send(user, robot_id, "what did I ask")
    [reply] = app.wait_for_reply(user, robot_id, after=question)
    assert reply.text == "You asked who you are."
    [read] = asked(stage.sandbox, "what did I ask")
    said = str(read["body"]["messages"])
    assert "who am I" in said
    assert "It is nine." in said
    stage.wait_until_empty()


def test_a_webhook_hears_all_of_an_answer_that_the_service_asked_for_itself(stage: Stage) -> None:
    answer = f"{words(60)}. {words(40)}."  # the first sentence is spoken for longer than webhooks wait
    stage.sandbox.model.script(answer, match="tell me all")
    with Provider(lambda exchange: failing("200 OK", "")(exchange)) as shop:
        stage.parley.admin.add(
            "webhooks/webhook",
            name="shop",
            url=shop.url,
            secret="s",
            events=["message.delivered"],
            enabled="on",
        )
        session = stage.started("direct-voice", "listener")
        stage.zego.speak(session["rtc"], "tell me all")

        eventually(lambda: bool(shop.exchanges))
        with stage.parley.installation.connect() as database:
            database.execute("DELETE FROM webhooks_webhook")
    stage.end(session)

    [told] = [each.body["data"] for each in shop.exchanges]
    assert (told["kind"], told["state"], told["text"]) == ("call", "delivered", answer)


def test_an_eleventh_call_is_refused_or_waits_for_its_turn(stage: Stage) -> None:
    sessions = [stage.started("ada-voice", f"user{number}") for number in range(10)]
    refused = stage.call("bea-voice", "late")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_capacity")
    assert int(refused.headers["Retry-After"]) > 0
    queued = stage.call("bea-voice", "late", wait=True)
    assert (queued.status_code, queued.json()["state"]) == (202, "queued")
    stage.end(sessions[0])
    eventually(lambda: stage.state_of(queued.json()) == "open")
    token = stage.api.post(f"/sessions/{queued.json()['id']}/token").json()
    stage.zego.enter(token["rtc"])
    assert len(stage.zego.instances()) == 10
    for session in [*sessions[1:], token]:
        stage.end(session)
    assert stage.zego.instances() == []


def test_an_instance_whose_start_was_not_answered_is_ended(stage: Stage) -> None:
    stage.sandbox.faults(api={"commands": ["CreateAgentInstance"], "fail_after": 1.0, "how": ["cut"]})
    assert stage.call("ada-voice", "unheard").status_code == 502
    assert len(stage.zego.instances()) == 1
    stage.sandbox.faults()
    stage.wait_until_empty()


def test_a_call_that_the_service_has_lost_ends(stage: Stage) -> None:
    session = stage.started("ada-voice", "lost")
    stage.zego.lose(session["rtc"])
    with stage.parley.installation.connect() as database:
        database.execute("UPDATE agents_call SET checked_at = checked_at - interval '1 minute'")
    eventually(lambda: stage.state_of(session) == "ended", within_s=WITHIN_S)


@pytest.mark.browser
def test_a_user_calls_as_zegos_sample_clients_do(stage: Stage, browser: Browser) -> None:
    stage.sandbox.model.script("Hello from Bea.", match="anybody there")
    page = browser.new_page()
    page.goto(f"{stage.sandbox.url}/call?parley={stage.parley.url}")
    page.get_by_label("You are").fill("page-user")
    page.get_by_role("button", name="Call").click()
    page.get_by_label("Say").fill("anybody there")
    page.get_by_role("button", name="Speak").click()
    expect(page.get_by_role("log")).to_contain_text("Hello from Bea.")
    page.get_by_role("button", name="Hang up").click()
    expect(page.get_by_role("button", name="Call")).to_be_visible()
    page.close()
    stage.wait_until_empty()


def test_killed_processes_leave_no_instance_behind(stage: Stage) -> None:
    """The processes are killed before the service has answered the start of a call, and the end of one."""
    session = stage.started("ada-voice", "ending")
    commands = ["CreateAgentInstance", "DeleteAgentInstance"]
    stage.sandbox.faults(api={"commands": commands, "fail_after": 1.0, "how": ["timeout"], "timeout_s": 60})
    cut_off = [
        threading.Thread(target=in_vain, args=(lambda: stage.call("ada-voice", "starting"),)),
        threading.Thread(target=in_vain, args=(lambda: stage.end(session),)),
    ]
    for thread in cut_off:
        thread.start()
    stage.zego.wait_for_instances(lambda instances: [each["user"] for each in instances] == ["starting"])
    for process in (*stage.parley.server.children("web"), *stage.parley.workers()):
        os.kill(process, signal.SIGKILL)
    for thread in cut_off:
        thread.join()
    stage.sandbox.faults()
    stage.wait_until_empty()
    eventually(lambda: stage.parley.count("agents_call WHERE state <> 'ended'") == 0)
    assert stage.state_of(session) == "ended"


def in_vain(ask: Callable[[], object]) -> None:
    with suppress(httpx.HTTPError):
        ask()
