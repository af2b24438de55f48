"""A running sandbox, an app at its Tencent cloud, and a server that takes callbacks."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from TLSSigAPIv2 import TLSSigAPIv2

from sandbox.driver import Sandbox, TencentApp

ROBOT, USER = "@RBT#ada", "alice"

type JSONDict = dict[str, Any]


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    yield running_sandbox
    running_sandbox.faults()
    running_sandbox.reset()


@dataclass
class Server:
    """What the vendor's REST API looks like from an app's server."""

    app: TencentApp
    url: str
    http: httpx.Client
    sequence: int = 1_000_000  # above what clients begin with

    def query(self, **changes: Any) -> JSONDict:
        settings = self.app.settings
        signer = TLSSigAPIv2(settings["sdk_app_id"], settings["secret_key"])
        query = {
            "sdkappid": settings["sdk_app_id"],
            "identifier": "administrator",
            "usersig": signer.gen_sig("administrator", 3600),
            "random": 7,
            "contenttype": "json",
        }
        return {name: value for name, value in (query | changes).items() if value is not None}

    def call(self, command: str, body: JSONDict, **query: Any) -> JSONDict:
        response = self.http.post(f"{self.url}/v4/{command}", params=self.query(**query), json=body)
        assert response.status_code == 200
        answer: JSONDict = response.json()
        return answer

    def send(self, body: list[JSONDict] | None = None, **changes: Any) -> JSONDict:
        """A robot's message to the user."""
        self.sequence += 1
        message = {
            "From_Account": ROBOT,
            "To_Account": USER,
            "MsgSeq": self.sequence,
            "MsgRandom": self.sequence,
            "SyncOtherMachine": 2,
            "MsgBody": body if body is not None else chatbot("", is_finished=0),
            "OfflinePushInfo": {"Desc": "A message"},
        }
        return self.call("openim/sendmsg", message | changes)

    def edit(self, key: str, body: list[JSONDict], **changes: Any) -> JSONDict:
        message = {"From_Account": ROBOT, "To_Account": USER, "MsgKey": key, "MsgBody": body}
        return self.call("openim/modify_c2c_msg", message | changes)

    def history(self, operator: str = USER, peer: str = ROBOT, **changes: Any) -> JSONDict:
        query = {"MaxCnt": 100, "MinTime": 0, "MaxTime": 2**32 - 1}
        accounts = {"Operator_Account": operator, "Peer_Account": peer}
        return self.call("openim/admin_getroammsg", accounts | query | changes)


@pytest.fixture
def app(sandbox: Sandbox) -> TencentApp:
    return sandbox.register_app()


@pytest.fixture
def server(sandbox: Sandbox, app: TencentApp) -> Iterator[Server]:
    """With one robot, and a user who has logged in."""
    with httpx.Client(trust_env=False) as http:
        server = Server(app=app, url=sandbox.url, http=http)
        server.call("openim_robot_http_svc/create_robot", {"UserID": ROBOT, "Nick": "Ada"})
        app.send(USER, ROBOT, "hello")
        yield server


def text(words: str) -> list[JSONDict]:
    return [{"MsgType": "TIMTextElem", "MsgContent": {"Text": words}}]


def chatbot(words: str, *, is_finished: Any = 1, description: str = "…", **data: Any) -> list[JSONDict]:
    content = {"chatbotPlugin": 2, "src": 2, "chunks": [words], "isFinished": is_finished} | data
    return [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": json.dumps(content), "Desc": description}}]


@dataclass
class Received:
    query: dict[str, str]
    body: JSONDict


@dataclass
class Receiver:
    """An app's server that takes callbacks."""

    url: str
    received: queue.Queue[Received] = field(default_factory=queue.Queue)
    statuses: list[int] = field(default_factory=list)  # of the next answers; then 200

    def next(self) -> Received:
        return self.received.get(timeout=10)


@pytest.fixture(name="receiver")
def running_receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            receiver.received.put(Received(dict(parse_qsl(urlsplit(self.path).query)), body))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            self.end_headers()
            self.wfile.write(b'{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":""}')

        def log_message(self, *args: Any) -> None:
            """Nothing: requests are judged, not printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        receiver = Receiver(f"http://127.0.0.1:{listener.server_port}/callbacks/")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield receiver
        listener.shutdown()
        thread.join()


@pytest.fixture
def listening_app(app: TencentApp, receiver: Receiver) -> TencentApp:
    app.change(callback_url=receiver.url)
    return app
