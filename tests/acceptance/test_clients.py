"""The clients that apps may take as they are: the Python one, and the page of another origin."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from parley_client import Parley as Client
from parley_client import ParleyError
from sandbox.driver import Sandbox
from tests.support.parley import Parley, words

BROWSER_EXAMPLE = Path(__file__).resolve().parents[2] / "clients" / "browser"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 -- the base class's name
        pass


@pytest.fixture(scope="module")
def app_url() -> Iterator[str]:
    """An app's own web server, with the browser example."""
    handler = functools.partial(QuietHandler, directory=str(BROWSER_EXAMPLE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def served(files_parley: Parley, app_url: str) -> Parley:
    files_parley.configure_and_serve("ada", CORS_ALLOWED_ORIGINS=app_url)
    return files_parley


@pytest.fixture(scope="module")
def key(served: Parley) -> str:
    return served.run("create_api_key", "clients", "--scope=operate").strip().splitlines()[-1]


@pytest.fixture
def client(served: Parley, key: str) -> Iterator[Client]:
    with Client(served.url, key) as client:
        yield client


def test_the_python_client_speaks_reads_and_takes_over(
    client: Client, served: Parley, sandbox: Sandbox
) -> None:
    answer = words(30)
    sandbox.model.script(answer, match="by Python", chunk_delay_s=0.05)
    session = client.open_chat(robot="@RBT#ada", user_id="pythonista", metadata={"page": "home"})

    pieces = list(client.speak(session.id, "Tell me by Python"))
    client.rate(session.id, 5, "Fine")
    taken = client.take_over(session.conversation)
    said = client.answer(session.conversation, "A person here.")
    given_back = client.hand_back(session.conversation)

    assert session.im is not None
    assert "".join(pieces) == answer
    assert (taken.state, said.sender, given_back.state) == ("operator", "operator", "robot")
    senders = [message.sender for message in client.messages(session.conversation)]
    assert senders == ["operator", "robot", "user"]
    [found] = client.conversations(user_id="pythonista")
    assert found.id == session.conversation
    assert client.usage(group_by=["robot"])[0]["turns"] >= 1
    assert client.interrupt(session.id) is False
    assert client.end(session.id).state == "ended"
    with pytest.raises(ParleyError) as caught:
        client.say(session.id, "Too late")
    assert caught.value.code == "session_ended"


@pytest.mark.browser
def test_a_page_of_another_origin_chats_by_its_user_token(
    client: Client, served: Parley, app_url: str, browser: Browser, sandbox: Sandbox
) -> None:
    sandbox.model.script("We open at nine.", match="in a browser", chunk_delay_s=0.05)
    session = client.open_chat(robot="@RBT#ada", user_id="surfer")
    token = client.user_token(session.id).token
    page = browser.new_page()
    page.goto(f"{app_url}/#parley={served.url}&session={session.id}&token={token}")
    page.wait_for_selector("body[data-ready]")

    page.get_by_label("Your message").fill("When do you open, in a browser?")
    page.get_by_role("button", name="Send").click()

    expect(page.locator("li.robot")).to_have_text("We open at nine.", timeout=30_000)
    page.reload()
    expect(page.locator("li")).to_have_text(["When do you open, in a browser?", "We open at nine."])
    client.end(session.id)
    page.get_by_label("Your message").fill("Still there?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("li.error")).to_have_text("The session has ended.")
    page.close()
