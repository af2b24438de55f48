"""The sandbox from Python: for acceptance tests, benchmarks and the demo's self-check.

with Sandbox.start() as sandbox:
    app = sandbox.register_app(callback_url=f"{server}/callbacks/acme/")
    ... save a robot in the product; it creates the robot at `app` ...
    key = app.send("alice", "@RBT#001", "Hello?")
    reply = app.wait_for_reply("alice", "@RBT#001", after=key)
    assert reply[0].text == "Hello, Alice." and not sandbox.violations()
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType, TracebackType
from typing import Any, ClassVar, Self

import httpx

from sandbox.processes import Process

type JSONDict = dict[str, Any]

START_TIMEOUT_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One state of a message."""

    at: float  # Unix time
    text: str
    is_finished: bool
    body: Any  # as it was on the wire


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as a client of the app shows it."""

    key: str
    sender: str
    recipient: str
    kind: str  # text, reply (grows), error, interrupt, image, voice, video, file, custom
    text: str
    url: str
    is_finished: bool
    is_recalled: bool
    sent_at: float  # Unix time
    frames: tuple[Frame, ...]

    @classmethod
    def from_json(cls, entry: JSONDict) -> Message:
        return cls(
            key=entry["key"],
            sender=entry["from"],
            recipient=entry["to"],
            kind=entry["kind"],
            text=entry["text"],
            url=entry["url"],
            is_finished=entry["is_finished"],
            is_recalled=entry["is_recalled"],
            sent_at=entry["sent_at"],
            frames=tuple(
                Frame(
                    at=frame["at"], text=frame["text"], is_finished=frame["is_finished"], body=frame["body"]
                )
                for frame in entry["frames"]
            ),
        )


class NoReply(AssertionError):
    """What was waited for did not come; the text tells what came instead."""


class ScriptedModel:
    """The scripted model's control."""

    def __init__(self, url: str, api_key: str) -> None:
        self.base_url = f"{url}/v1"
        self.api_key = api_key
        self._http = httpx.Client(base_url=f"{url}/_sandbox/model", trust_env=False, timeout=90)

    def config(self, slug: str = "fast", **changes: Any) -> JSONDict:
        """An entry of `models` in a configuration file."""
        entry = {"slug": slug, "api": "openai", "model": "scripted"}
        return entry | {"base_url": self.base_url, "api_key": self.api_key} | changes

    def script(self, text: str | None = None, **options: Any) -> None:
        """Say this next (or to the next request that contains `match`); options: scripted_model.Script."""
        _json(self._http.post("/scripts", json={"scripts": [{"text": text, **options}]}))

    def default(self, **options: Any) -> None:
        """How answers without a script are given from now on."""
        _json(self._http.post("/default", json=options))

    def requests(self, wait_s: float = 0.0) -> list[JSONDict]:
        """What was asked, oldest first: `at`, `body`, `text`, `chunks_sent`, `outcome`, `ended_at`.

        With `wait_s`, once no request is running any more, but no later than that.
        """
        requests: list[JSONDict] = _json(self._http.get("/requests", params={"wait_s": wait_s}))["requests"]
        return requests

    def reset(self) -> None:
        _json(self._http.post("/reset"))

    def close(self) -> None:
        self._http.close()


class App:
    """One app at a simulated cloud, with its users."""

    vendor: ClassVar[str]
    id_setting: ClassVar[str]  # which of the settings is the app's id
    secret_settings: ClassVar[Mapping[str, str]]  # by the name of the environment variable for them
    group_callbacks: ClassVar[list[str]]  # those that tell of all messages, in groups and one to one

    def __init__(self, sandbox: Sandbox, settings: JSONDict) -> None:
        self._sandbox = sandbox
        self.settings = settings
        self.id = str(settings[self.id_setting])

    @classmethod
    def drawn_settings(cls) -> JSONDict:
        """Settings of a new app: an id and secrets."""
        raise NotImplementedError

    def config(self) -> JSONDict:
        """`config` of an account in a configuration file."""
        raise NotImplementedError

    def change(self, **settings: Any) -> None:
        """Change settings of the app: `callback_url`, `callbacks`, `callback_retries`, `rate_per_s`, …"""
        self.settings |= settings
        self._sandbox.post("/apps", {"vendor": self.vendor, **self.settings})

    @contextmanager
    def changed(self, **settings: Any) -> Iterator[None]:
        """Inside, these settings of the app are changed; afterwards all are as before."""
        before = dict(self.settings)
        self.change(**settings)
        try:
            yield
        finally:
            self.settings = before
            self.change()

    def robots(self) -> list[JSONDict]:
        """`user_id`, `nickname`, `avatar_url` of each."""
        return self._read_robots()[1]

    def _read_robots(self, **waiting: Any) -> tuple[int, list[JSONDict]]:
        answer = self._sandbox.get("/apps", waiting)
        robots = next(app["robots"] for app in answer["apps"] if app["app"] == self.id)
        return answer["version"], robots

    def wait_for_robot(self, user_id: str, timeout_s: float = 20.0) -> JSONDict:
        """The robot, once the product has created it.  Raises NoReply."""
        version, robots = self._read_robots()
        ends_at = time.monotonic() + timeout_s
        while user_id not in (known := {robot["user_id"]: robot for robot in robots}):
            left = ends_at - time.monotonic()
            if left <= 0:
                raise NoReply(
                    f"robot {user_id} was not created; the last calls: {self._sandbox.calls()[-5:]}"
                )
            version, robots = self._read_robots(beyond=version, wait_s=left)
        return known[user_id]

    def post(self, path: str, body: JSONDict) -> Any:
        return self._sandbox.post(path, body)

    def send(self, user: str, robot: str, text: str = "", **content: Any) -> str:
        """Write as a user; the message's key.  For other things than text: image=, voice=, file=, custom=."""
        body = {"app": self.id, "from": user, "to": robot, **({"text": text} if text else {}), **content}
        key: str = self._sandbox.post("/users/send", body)["key"]
        return key

    def group(self, *members: str, name: str = "") -> Group:
        """A new group of these users and robots."""
        group_id = f"group-{secrets.token_hex(6)}"
        return self.join_group(group_id, *members, name=name)

    def join_group(self, group_id: str, *members: str, name: str = "") -> Group:
        """The group of this id; from now on with these members."""
        self._sandbox.post(
            "/groups", {"app": self.id, "id": group_id, "name": name or group_id, "members": members}
        )
        return Group(self, group_id)

    def messages(self, user: str, peer: str) -> list[Message]:
        return self.read({"user": user, "peer": peer})[1]

    def replies(self, user: str, robot: str, after: str | None = None) -> list[Message]:
        """What the robot said, all or after the message of key `after`."""
        return _replies(self.messages(user, robot), robot, after)

    def wait_for_reply(
        self, user: str, robot: str, *, after: str | None = None, count: int = 1, timeout_s: float = 30.0
    ) -> list[Message]:
        """What the robot said after `after`, once there are `count` and all are finished.  Raises NoReply."""

        is_there = _has_replied(robot, after, count)
        return _replies(self.wait_until(user, robot, is_there, timeout_s=timeout_s), robot, after)

    def wait_until(
        self, user: str, peer: str, holds: Callable[[list[Message]], bool], *, timeout_s: float = 30.0
    ) -> list[Message]:
        """The conversation, once `holds` says yes to it.  Asked again at every change.  Raises NoReply."""
        return self.wait_in({"user": user, "peer": peer}, holds, timeout_s)

    def wait_in(
        self, place: JSONDict, holds: Callable[[list[Message]], bool], timeout_s: float
    ) -> list[Message]:
        version, messages = self.read(place)
        ends_at = time.monotonic() + timeout_s
        while not holds(messages):
            left = ends_at - time.monotonic()
            if left <= 0:
                said = [(message.sender, message.kind, message.text) for message in messages]
                raise NoReply(f"not within {timeout_s} s; the conversation is {said}")
            version, messages = self.read(place, beyond=version, wait_s=left)
        return messages

    def read(
        self, place: JSONDict, *, beyond: int | None = None, wait_s: float = 0.0
    ) -> tuple[int, list[Message]]:
        """A conversation, and the version that it was read at."""
        query: JSONDict = {"app": self.id, **place}
        if beyond is not None:
            query |= {"beyond": beyond, "wait_s": wait_s}
        answer = self._sandbox.get("/messages", query)
        return answer["version"], [Message.from_json(entry) for entry in answer["messages"]]


@dataclass(frozen=True)
class Group:
    """A group of users and robots at a simulated cloud."""

    app: App
    id: str

    def send(self, user: str, text: str = "", *, mentions: Sequence[str] = (), **content: Any) -> str:
        """Write in it; the message's key.  Whom the user picks from the members is mentioned."""
        said = {"text": text} if text else {}
        body = {
            "app": self.app.id,
            "from": user,
            "group": self.id,
            "mentions": list(mentions),
            **said,
            **content,
        }
        key: str = self.app.post("/users/send", body)["key"]
        return key

    def messages(self) -> list[Message]:
        return self.app.read({"group": self.id})[1]

    def replies(self, robot: str, after: str | None = None) -> list[Message]:
        """What the robot said in it, all or after the message of key `after`."""
        return _replies(self.messages(), robot, after)

    def wait_for_reply(
        self, robot: str, *, after: str | None = None, count: int = 1, timeout_s: float = 30.0
    ) -> list[Message]:
        """What the robot said after `after`, once there are `count` and all are finished.  Raises NoReply."""
        is_there = _has_replied(robot, after, count)
        return _replies(self.wait_until(is_there, timeout_s=timeout_s), robot, after)

    def wait_until(self, holds: Callable[[list[Message]], bool], *, timeout_s: float = 30.0) -> list[Message]:
        """What was said in it, once `holds` says yes to it.  Raises NoReply."""
        return self.app.wait_in({"group": self.id}, holds, timeout_s)


class TencentApp(App):
    vendor = "tencent"
    id_setting = "sdk_app_id"
    secret_settings = MappingProxyType({"TIM_KEY": "secret_key", "TIM_TOKEN": "callback_token"})
    group_callbacks: ClassVar = ["Bot.OnC2CMessage", "Bot.OnGroupMessage", "Group.CallbackAfterSendMsg"]

    @classmethod
    def drawn_settings(cls) -> JSONDict:
        return {
            "sdk_app_id": 1400000000 + secrets.randbelow(100_000_000),
            "secret_key": secrets.token_hex(32),
            "admin_user_id": "administrator",
            "callback_token": secrets.token_hex(8),
        }

    def config(self) -> JSONDict:
        names = ("sdk_app_id", "secret_key", "admin_user_id", "callback_token")
        return {**{name: self.settings[name] for name in names}, "api_base": self._sandbox.url}


class ZegoApp(App):
    vendor = "zego"
    id_setting = "app_id"
    secret_settings = MappingProxyType({"ZEGO_SECRET": "server_secret", "ZEGO_CB": "callback_secret"})
    group_callbacks: ClassVar = ["send_msg"]

    @classmethod
    def drawn_settings(cls) -> JSONDict:
        return {
            "app_id": 1_000_000_000 + secrets.randbelow(100_000_000),
            "server_secret": secrets.token_hex(16),
            "callback_secret": secrets.token_hex(16),
        }

    def config(self) -> JSONDict:
        names = ("app_id", "server_secret", "callback_secret")
        addresses = dict.fromkeys(("zim_api_base", "agent_api_base"), self._sandbox.url)
        return {**{name: self.settings[name] for name in names}, **addresses}

    def instances(self) -> list[JSONDict]:
        """Agents that are in calls: `id`, `agent_id`, `user`, `room`, `status`, `history`, `said`, …"""
        found: list[JSONDict] = self._sandbox.get("/instances", {"app": self.id})["instances"]
        return found

    def wait_for_instances(
        self, holds: Callable[[list[JSONDict]], bool], timeout_s: float = 30.0
    ) -> list[JSONDict]:
        """The agents in calls, once `holds` says yes to them.  Raises NoReply."""
        ends_at = time.monotonic() + timeout_s
        answer = self._sandbox.get("/instances", {"app": self.id})
        while not holds(answer["instances"]):
            left = ends_at - time.monotonic()
            if left <= 0:
                raise NoReply(f"not within {timeout_s} s; there is {answer['instances']}")
            asked = {"app": self.id, "beyond": answer["version"], "wait_s": left}
            answer = self._sandbox.get("/instances", asked)
        found: list[JSONDict] = answer["instances"]
        return found

    def enter(self, rtc: JSONDict) -> JSONDict:
        """Enter a call's room, as a client SDK does with what the session API gave."""
        names = {"room": rtc["room_id"], "user": rtc["user_id"], "token": rtc["token"]}
        return self._act("enter", **names)

    def speak(self, rtc: JSONDict, text: str) -> JSONDict:
        return self._act("say", room=rtc["room_id"], text=text)

    def leave(self, rtc: JSONDict) -> JSONDict:
        return self._act("leave", room=rtc["room_id"])

    def lose(self, rtc: JSONDict) -> JSONDict:
        """Let the service forget the call without a word."""
        return self._act("lose", room=rtc["room_id"])

    def wait_for_speech(self, rtc: JSONDict, text: str, timeout_s: float = 30.0) -> JSONDict:
        """The call, once the agent has said this and is silent.  Raises NoReply."""

        def is_said(instance: JSONDict) -> bool:
            spoken = "".join(each["text"] for each in instance["said"] if each["who"] == "agent")
            return text in spoken and instance["status"] == "LISTENING"

        def mine(instances: list[JSONDict]) -> list[JSONDict]:
            return [each for each in instances if each["room"] == rtc["room_id"] and is_said(each)]

        [call] = mine(self.wait_for_instances(lambda instances: bool(mine(instances)), timeout_s))
        return call

    def _act(self, deed: str, **content: Any) -> JSONDict:
        instance: JSONDict = self._sandbox.post(f"/instances/{deed}", {"app": self.id, **content})
        return instance


class EasemobApp(App):
    vendor = "easemob"
    id_setting = "app_key"
    secret_settings = MappingProxyType({"EM_SECRET": "client_secret", "EM_CB": "callback_secret"})
    group_callbacks: ClassVar = ["chat"]

    def __init__(self, sandbox: Sandbox, settings: JSONDict) -> None:
        app_key = f"{settings['org_name']}#{settings['app_name']}"
        super().__init__(sandbox, settings | {"app_key": app_key})
        del self.settings["app_key"]

    @classmethod
    def drawn_settings(cls) -> JSONDict:
        return {
            "org_name": "acme",
            "app_name": f"chat-{secrets.token_hex(4)}",
            "client_id": f"YXA6{secrets.token_hex(8)}",
            "client_secret": f"YXA6{secrets.token_hex(16)}",
            "callback_secret": secrets.token_hex(16),
        }

    def config(self) -> JSONDict:
        names = ("org_name", "app_name", "client_id", "client_secret", "callback_secret")
        return {**{name: self.settings[name] for name in names}, "api_base": self._sandbox.url}


class Sandbox:
    """The simulated clouds, and a scripted model beside them."""

    def __init__(
        self, url: str, model: ScriptedModel | None = None, belongings: ExitStack | None = None
    ) -> None:
        self.url = url
        self._model = model
        self._belongings = belongings or ExitStack()  # what ends with it
        self._http = httpx.Client(base_url=f"{url}/_sandbox", trust_env=False, timeout=90)

    @classmethod
    def start(cls, *, logs: Path | None = None, state: Path | None = None) -> Sandbox:
        """Start both processes on free ports.  What they print goes into the folder `logs`."""
        with ExitStack() as belongings:
            folder = logs or Path(belongings.enter_context(TemporaryDirectory(prefix="sandbox-")))
            api_key = f"sk-sandbox-{secrets.token_hex(8)}"
            kept = ["--state", str(state)] if state else []
            cloud = Process("cloud", ["-m", "sandbox", "cloud", *kept], log=folder / "cloud.log")
            belongings.callback(cloud.stop)
            model = Process(
                "scripted model",
                ["-m", "sandbox", "scripted-model"],
                log=folder / "scripted-model.log",
                environment={**os.environ, "MODEL_API_KEY": api_key},
            )
            belongings.callback(model.stop)
            cloud_url, model_url = (process.wait_for_url(START_TIMEOUT_S) for process in (cloud, model))
            return cls(cloud_url, ScriptedModel(model_url, api_key), belongings.pop_all())

    @property
    def model(self) -> ScriptedModel:
        assert self._model is not None, "this sandbox was joined without a model"
        return self._model

    def register_app(self, **settings: Any) -> TencentApp:
        """A new app at the Tencent cloud."""
        return self.register_app_of(TencentApp, **settings)

    def register_app_of[AppT: App](self, kind: type[AppT], **settings: Any) -> AppT:
        """A new app with its own id and secrets.  Settings: AppSettings of the vendor's `app` module."""
        app = kind(self, kind.drawn_settings() | settings)
        app.change()
        return app

    def faults(
        self,
        *,
        callbacks: Mapping[str, Any] | None = None,
        api: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        """Replace all faults by these; without arguments: none.  Settings: see sandbox/faults.py."""
        self.post("/faults", {"seed": seed, "callbacks": dict(callbacks or {}), "api": dict(api or {})})

    def set_clock(self, offset_s: float) -> None:
        """Let the clouds' clock go ahead of the machine's, or behind it."""
        self.post("/clock", {"offset_s": offset_s})

    def calls(self, command: str | None = None, app: str | None = None) -> list[JSONDict]:
        """API calls, oldest first: `at`, `command`, `body`, `answer`, `fault`, `ms`."""
        calls = self._entries("/calls", app)
        return [call for call in calls if command in (None, call["command"])]

    def callbacks(self, command: str | None = None, app: str | None = None) -> list[JSONDict]:
        """Callbacks sent, oldest first: `at`, `command`, `body`, `attempt`, `status`, `answer`, `ms`."""
        callbacks = self._entries("/callbacks", app)
        return [callback for callback in callbacks if command in (None, callback["command"])]

    def violations(self, app: str | None = None) -> list[JSONDict]:
        """What a real client or cloud would choke on: `rule`, `detail`, `key`.  A good product has none."""
        return self._entries("/violations", app)

    def _entries(self, path: str, app: str | None) -> list[JSONDict]:
        entries: list[JSONDict] = self.get(path, {"app": app} if app else {})["results"]
        return entries

    def reset(self) -> None:
        """Forget messages, robots, faults and logs; the apps stay."""
        self.post("/reset", {})
        self.set_clock(0)
        if self._model is not None:
            self._model.reset()

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return _json(self._http.get(path, params=query))

    def post(self, path: str, body: JSONDict) -> Any:
        return _json(self._http.post(path, json=body))

    def close(self) -> None:
        self._http.close()
        if self._model is not None:
            self._model.close()
        self._belongings.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _replies(messages: list[Message], robot: str, after: str | None) -> list[Message]:
    keys = [message.key for message in messages]
    start = keys.index(after) + 1 if after is not None else 0
    return [message for message in messages[start:] if message.sender == robot and not message.is_recalled]


def _has_replied(robot: str, after: str | None, count: int) -> Callable[[list[Message]], bool]:
    """Whether a conversation holds so many messages of the robot, all finished."""

    def is_there(messages: list[Message]) -> bool:
        replies = _replies(messages, robot, after)
        return len(replies) >= count and all(reply.is_finished for reply in replies)

    return is_there


def _json(response: httpx.Response) -> Any:
    if response.status_code >= 400:
        raise ValueError(f"{response.request.url.path}: {response.status_code} {response.text}")
    return response.json()
