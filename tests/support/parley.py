"""Parley from outside: its commands, its addresses, and users who write to its robots in the sandbox."""

from __future__ import annotations

import hashlib
import re
import secrets
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import httpx
import yaml

from sandbox.driver import App, Group, Message, Sandbox, TencentApp
from tests.support.admin import Admin
from tests.support.processes import Installation, Process, eventually

type JSONDict = dict[str, Any]

ACCOUNT: Final = "acme"
ADMIN: Final = "root"  # who is in every Parley
ADMIN_PASSWORD: Final = secrets.token_urlsafe(12)
ENVIRONMENT: Final = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "WORKER_CONCURRENCY": "50",
    "DRAIN_S": "5",
    "LOG_FORMAT": "json",
}

UNSETTLED: Final = """
SELECT (SELECT count(*) FROM conversations_turn WHERE state IN ('waiting', 'thinking', 'speaking'))
     + (SELECT count(*) FROM procrastinate_jobs
        WHERE status IN ('todo', 'doing') AND task_name = 'conversations.answer')
"""


def robot(
    user_id: str, *, route: str = "default", reply: JSONDict | None = None, **settings: Any
) -> JSONDict:
    """An entry of `robots` in a configuration file.  It waits less than others for the end of a burst, and
    has no summaries made, which would be asked for at moments of their own."""
    return {
        "account": ACCOUNT,
        "user_id": f"@RBT#{user_id}",
        "route": route,
        "reply": {"merge_window_ms": 100, **(reply or {})},
        "history": {"summaries": False},
        **settings,
    }


def route(slug: str, *models: str) -> JSONDict:
    """An entry of `routes`: these models, always."""
    return {"slug": slug, "rules": [{"models": list(models)}]}


@dataclass
class Parley:
    """One Parley with an app of its own at the simulated cloud."""

    installation: Installation
    sandbox: Sandbox
    kind: type[App] = TencentApp  # which cloud
    app: App = field(init=False)
    secrets: dict[str, str] = field(init=False)  # environment variables that configuration files name
    server: Process = field(init=False)
    _port: int = 0

    def __post_init__(self) -> None:
        self.app = self.sandbox.register_app_of(self.kind)
        names = self.app.secret_settings.items()
        self.secrets = {name: self.app.settings[setting] for name, setting in names}
        self.secrets["MODEL_KEY"] = self.sandbox.model.api_key

    # Its commands

    def run(self, *arguments: str, **environment: str) -> str:
        """Run a command to its end; what it printed."""
        return self.installation.run(*arguments, **ENVIRONMENT, **environment)

    def account(self, **settings: Any) -> JSONDict:
        """Our account's entry in a configuration file."""
        names = {setting: f"${{{name}}}" for name, setting in self.app.secret_settings.items()}
        return {"slug": ACCOUNT, "vendor": self.app.vendor, "config": self.app.config() | names, **settings}

    def model(self, slug: str, **settings: Any) -> JSONDict:
        """An entry of `models` for the scripted model."""
        return self.sandbox.model.config(slug, api_key="${MODEL_KEY}", **settings)

    def apply(self, **sections: list[JSONDict]) -> str:
        file = self.installation.folder / "parley.yaml"
        file.write_text(yaml.safe_dump(sections))
        return self.run("apply", str(file), **self.secrets)

    def configure(self, *robots: JSONDict, limits: JSONDict | None = None) -> None:
        """Our account, a model, and these robots."""
        self.apply(
            accounts=[self.account(**({"limits": limits} if limits else {}))],
            models=[self.model("fast")],
            routes=[route("default", "fast")],
            robots=list(robots),
        )

    def serve(self, *, workers: int = 1, **environment: str) -> None:
        """Start the server, at the same address as before if it has run before."""
        arguments = ["serve", f"--port={self._port}", f"--workers={workers}"]
        self.server = self.installation.start(*arguments, **ENVIRONMENT | environment)
        self._port = httpx.URL(self.server.address()).port or 0
        self.app.change(callback_url=self.callback_url)
        if workers:
            self.server.until_ready()

    def configure_and_serve(self, *names: str, workers: int = 1, **environment: str) -> None:
        """Robots of these names, ready to be written to."""
        self.configure(*map(robot, names))
        self.serve(workers=workers, **environment)
        self.until_registered(*names)

    @property
    def has_served(self) -> bool:
        return "server" in vars(self)

    def until_registered(self, *robots: str) -> None:
        """Until the cloud knows them."""
        for name in robots:
            self.app.wait_for_robot(f"@RBT#{name}")

    def stop(self) -> int:
        """Let it drain; its exit code."""
        self.server.signal(signal.SIGTERM)
        return self.server.wait()

    def workers(self) -> list[int]:
        """Process ids."""
        return self.server.children("work")

    # Its addresses

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def callback_url(self) -> str:
        return f"{self.url}/callbacks/{ACCOUNT}/"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", trust_env=False, timeout=30)

    def post_callback(
        self, body: Any, query: Mapping[str, str | None] | None = None, *, path: str = ""
    ) -> httpx.Response:
        """A callback as the cloud would send it, except for what `query` says otherwise; None leaves out."""
        content = body if isinstance(body, bytes | str) else None
        command = body.get("CallbackCommand", "") if isinstance(body, dict) else "Bot.OnC2CMessage"
        return httpx.post(
            f"{self.url}{path}" if path else self.callback_url,
            params={
                k: v for k, v in (self.signed_query(command) | dict(query or {})).items() if v is not None
            },
            content=content,
            json=body if content is None else None,
            trust_env=False,
            timeout=30,
        )

    def signed_query(self, command: str, *, age_s: float = 0) -> dict[str, str | None]:
        """The query of a callback that the cloud signed so many seconds ago."""
        request_time = str(int(time.time() - age_s))
        signature = hashlib.sha256((self.secrets["TIM_TOKEN"] + request_time).encode()).hexdigest()
        return {
            "SdkAppid": self.app.id,
            "CallbackCommand": command,
            "contenttype": "json",
            "ClientIP": "127.0.0.1",
            "OptPlatform": "RESTAPI",
            "RequestTime": request_time,
            "Sign": signature,
        }

    def message_body(self, text: str, *, sender: str, to: str) -> JSONDict:
        """The body of a callback that tells of a new message."""
        sequence, number, now = secrets.randbelow(2**31), secrets.randbelow(2**32), int(time.time())
        return {
            "CallbackCommand": "Bot.OnC2CMessage",
            "From_Account": sender,
            "To_Account": to,
            "MsgSeq": sequence,
            "MsgRandom": number,
            "MsgTime": now,
            "MsgKey": f"{sequence}_{number}_{now}",
            "OnlineOnlyFlag": 0,
            "SendMsgResult": 0,
            "ErrorInfo": "send msg succeed",
            "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}],
            "CloudCustomData": "",
            "EventTime": now * 1000,
        }

    def api(self, *scopes: str) -> httpx.Client:
        """The REST API to a new key."""
        wanted = (f"--scope={scope}" for scope in scopes)
        return self.rest(self.run("create_api_key", "tests", *wanted).strip().splitlines()[-1])

    def rest(self, token: str) -> httpx.Client:
        """The REST API to whoever holds an API key or a user token."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, trust_env=False, timeout=30)

    @cached_property
    def admin(self) -> Admin:
        """The admin pages, to one who is logged in."""
        return Admin.logged_in(self.url, username=ADMIN, password=ADMIN_PASSWORD)

    def end(self) -> None:
        """Kill all of it."""
        self.installation.end()
        if "admin" in vars(self):
            self.admin.client.close()

    def conversation_page(self, user: User) -> str:
        """What the admin shows of a user's conversation."""
        return self.admin.text(self.admin.find("conversations/conversation", user.id))

    # Its users

    def user(self, robot: str = "ada") -> User:
        """Someone new, who writes to that robot."""
        return User(self, f"user-{secrets.token_hex(6)}", f"@RBT#{robot}")

    def callbacks(self) -> list[JSONDict]:
        """Our callbacks as the cloud remembers them."""
        return self.sandbox.callbacks(app=self.app.id)

    def until_acknowledged(self, user: User, key: str = "") -> None:
        """Until we have acknowledged a callback about that user; or about the user's message of that key."""
        eventually(
            lambda: any(
                each["status"] == 200
                and each["body"]["From_Account"] == user.id
                and key in ("", each["body"]["MsgKey"])
                for each in self.callbacks()
            )
        )

    def until_told(self, group: Group) -> None:
        """Until we have acknowledged a callback for each message of a user in the group."""
        robots = {robot["user_id"] for robot in self.app.robots()}

        def is_told() -> bool:
            said = [message for message in group.messages() if message.sender not in robots]
            acknowledged = [
                each for each in self.callbacks() if each["members"] == [group.id] and each["status"] == 200
            ]
            return len(acknowledged) >= len(said)

        eventually(is_told)

    def until_settled(self) -> None:
        """Until no answer is under way nor owed."""
        eventually(lambda: self.installation.query(UNSETTLED) == [(0,)])

    def count(self, table: str) -> int:
        [(count,)] = self.installation.query(f"SELECT count(*) FROM {table}")
        return int(count)

    def stored_callbacks(self, holding: str) -> int:
        """How many we have stored with this in their body.  Other tests' may still come in."""
        [(count,)] = self.installation.query(
            "SELECT count(*) FROM conversations_callback WHERE strpos(body, %s) > 0", holding
        )
        return int(count)


@dataclass(frozen=True)
class User:
    """A user of the app in a chat with one robot."""

    parley: Parley = field(repr=False)
    id: str
    robot: str

    def write(self, text: str = "", **content: Any) -> str:
        """The message's key."""
        return self.parley.app.send(self.id, self.robot, text, **content)

    def replies(self) -> list[Message]:
        """All that the robot has said, finished or not."""
        return self.parley.app.replies(self.id, self.robot)

    def wait_for_reply(self, *, after: str | None = None, within_s: float = 30.0) -> Message:
        """The one reply, finished."""
        [reply] = self.parley.app.wait_for_reply(self.id, self.robot, after=after, timeout_s=within_s)
        return reply

    def ask(self, text: str = "", **content: Any) -> Message:
        """Write, and wait for the one reply."""
        return self.wait_for_reply(after=self.write(text, **content))

    def wait_until(self, holds: Callable[[list[Message]], bool]) -> list[Message]:
        """The robot's messages, once `holds` says yes to them."""

        def said(messages: list[Message]) -> list[Message]:
            return [message for message in messages if message.sender == self.robot]

        return said(self.parley.app.wait_until(self.id, self.robot, lambda messages: holds(said(messages))))

    def wait_until_shown(self, text: str = "") -> None:
        """Until the robot has begun to say this; "": until it shows that an answer is coming."""
        self.wait_until(lambda replies: any(reply.text.startswith(text) for reply in replies))


def asked(sandbox: Sandbox, text: str) -> list[JSONDict]:
    """What the model was asked whose last message contains `text`."""
    return [each for each in sandbox.model.requests() if text in each["body"]["messages"][-1]["content"]]


def words(count: int, word: str = "word") -> str:
    """A text of so many different words."""
    return " ".join(f"{word}{number}" for number in range(1, count + 1))


def has_secret(text: str, names: dict[str, str]) -> list[str]:
    """Which of the secrets the text holds, and whether it holds a UserSig."""
    found = [name for name, value in names.items() if value in text]
    # Packed by zlib and written in base64, every UserSig begins so.
    return found + (["UserSig"] if re.search(r"eJ[\w*-]{60,}", text.replace("%2A", "*")) else [])
