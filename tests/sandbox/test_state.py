from __future__ import annotations

from pathlib import Path

import httpx

from sandbox.driver import Sandbox
from tests.sandbox.conftest import ROBOT, USER, Server, chatbot


def test_robots_and_messages_outlive_the_process(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with Sandbox.start(logs=tmp_path, state=state) as before, httpx.Client(trust_env=False) as http:
        app = before.register_app(sdk_app_id=1400000001, secret_key="k" * 64)
        server = Server(app=app, url=before.url, http=http)
        server.call("openim_robot_http_svc/create_robot", {"UserID": ROBOT, "Nick": "Ada"})
        app.send(USER, ROBOT, "hello")
        server.send(chatbot("Good day"))
        said = app.messages(USER, ROBOT)
    with Sandbox.start(logs=tmp_path, state=state) as after:
        app = after.register_app(sdk_app_id=1400000001, secret_key="k" * 64)
        assert app.messages(USER, ROBOT) == said
        assert [robot["nickname"] for robot in app.robots()] == ["Ada"]
