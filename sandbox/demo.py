"""`make demo`: the simulated clouds, a model and Parley itself, with a robot to talk to.

Runs Parley's own commands as anybody would; nothing of Parley is imported here.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from io import TextIOWrapper
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

import httpx
import yaml

from sandbox import model
from sandbox.driver import App, EasemobApp, NoReply, Sandbox, TencentApp, ZegoApp
from sandbox.processes import ROOT, Process, ProcessFailed

HERE = Path(__file__).resolve().parent
CONNECTIONS, ROBOTS = HERE / "demo_connections.yaml", HERE / "demo_robots.yaml"
ADMIN, OPERATOR = "admin", "olive"
CREATED = ": created"  # in what `apply` prints
CHECK_USER, CHECK_TEXT = "alice", "Hello! Who are you?"
DEFAULT_PORT = 8000
START_TIMEOUT_S = 60.0
REPLY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 40.0  # more than Parley takes to drain
DRAIN_S = "5"  # nobody wants to wait longer for a demo to stop

type JSONDict = dict[str, Any]


class DemoFailed(Exception):
    """The demo cannot go on; the text is for the person at the terminal."""


class Interrupted(BaseException):
    """Somebody asked us to stop."""


@dataclass
class Keys:
    """What is drawn at the first start and kept: passwords and secrets."""

    admin_password: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    model_key: str = field(default_factory=lambda: f"sk-demo-{secrets.token_hex(12)}")
    tencent_key: str = field(default_factory=lambda: secrets.token_hex(32))
    tencent_token: str = field(default_factory=lambda: secrets.token_hex(12))
    zego_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    zego_callback_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    easemob_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    easemob_callback_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    api_key: str = ""  # made by Parley with the robots, as is the operator's password
    operator_password: str = ""
    is_seeded: bool = False  # the robots were applied; they are the admin's now

    @classmethod
    def kept_in(cls, path: Path) -> Keys:
        keys = cls(**json.loads(path.read_text())) if path.exists() else cls()
        keys.save(path)
        return keys

    def save(self, path: Path) -> None:
        """Readable by its owner only, from the first moment on."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=2))


@dataclass(frozen=True, kw_only=True)
class DemoApp:
    """One vendor in the demo: an app at its simulated cloud, with a robot."""

    label: str
    account: str  # slug of the account in demo_connections.yaml
    robot: str  # its id in demo_robots.yaml
    settings: JSONDict  # of the app at the simulated cloud
    environment: dict[str, str]  # what the files name
    driver: type[App]


def readers(group_id: str, robot: str) -> list[JSONDict]:
    """The demo's group: the users of the chat page, and the robot."""
    return [{"id": group_id, "name": "Readers", "members": ["alice", "bob", "chen", robot]}]


def tencent(keys: Keys) -> DemoApp:
    app_id = 1400000001
    return DemoApp(
        label="Tencent Cloud IM",
        account="demo-tencent",
        robot="@RBT#ada",
        settings={
            "vendor": "tencent",
            "sdk_app_id": app_id,
            "secret_key": keys.tencent_key,
            "callback_token": keys.tencent_token,
            "callbacks": TencentApp.group_callbacks,
            "groups": readers("readers", "@RBT#ada"),
        },
        environment={
            "DEMO_TENCENT_APP": str(app_id),
            "DEMO_TENCENT_KEY": keys.tencent_key,
            "DEMO_TENCENT_TOKEN": keys.tencent_token,
        },
        driver=TencentApp,
    )


def zego(keys: Keys) -> DemoApp:
    app_id = 1000000001
    return DemoApp(
        label="ZEGO ZIM",
        account="demo-zego",
        robot="@RBT#zoe",
        settings={
            "vendor": "zego",
            "app_id": app_id,
            "server_secret": keys.zego_secret,
            "callback_secret": keys.zego_callback_secret,
            "groups": readers("readers", "@RBT#zoe"),
        },
        environment={
            "DEMO_ZEGO_APP": str(app_id),
            "DEMO_ZEGO_SECRET": keys.zego_secret,
            "DEMO_ZEGO_CALLBACK_SECRET": keys.zego_callback_secret,
        },
        driver=ZegoApp,
    )


def easemob(keys: Keys) -> DemoApp:
    return DemoApp(
        label="Easemob IM",
        account="demo-easemob",
        robot="eva",
        settings={
            "vendor": "easemob",
            "org_name": "demo",
            "app_name": "chat",
            "client_id": "demo-client",
            "client_secret": keys.easemob_secret,
            "callback_secret": keys.easemob_callback_secret,
            "groups": readers("262000000000001", "eva"),
        },
        environment={
            "DEMO_EASEMOB_SECRET": keys.easemob_secret,
            "DEMO_EASEMOB_CALLBACK_SECRET": keys.easemob_callback_secret,
        },
        driver=EasemobApp,
    )


VENDORS: list[Callable[[Keys], DemoApp]] = [tencent, zego, easemob]


class Demo:
    """Everything that runs, for as long as the block lasts."""

    def __init__(self, port: int, var_dir: Path) -> None:
        self.var_dir = var_dir
        self.logs = var_dir / "demo-logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self._lock = lock(var_dir / "demo.lock")
        self.keys_file = var_dir / "demo.json"
        self.keys = Keys.kept_in(self.keys_file)
        self.apps = [vendor(self.keys) for vendor in VENDORS]
        self.web_port, self.cloud_port, self.model_port = choose_ports(port)
        self.web_url = f"http://127.0.0.1:{self.web_port}"
        self.cloud_url = f"http://127.0.0.1:{self.cloud_port}"
        self.model_url = f"http://127.0.0.1:{self.model_port}"
        self.model_name = ""
        self.processes: list[Process] = []

    # Start

    def start(self) -> None:
        say("Starting the simulated cloud and the model …")
        cloud = self._start_cloud()
        language_model = self._start_model()
        say("Preparing the database …")
        if "DATABASE_URL" in os.environ:
            self._manage("migrate", "--verbosity", "0")
        server = self._run("parley", ["manage.py", "serve", "--port", str(self.web_port)])
        server.wait_for_url(START_TIMEOUT_S)  # by then its own database has all migrations
        cloud.wait_for_url(START_TIMEOUT_S)
        self._wait_for_model(language_model)
        say("Starting Parley …")
        applied = self._manage("apply", str(CONNECTIONS))
        if not self.keys.is_seeded or all(line.endswith(CREATED) for line in applied.splitlines()):
            self._seed()  # for the database is new
        self._wait_until_ready(server)

    def _start_cloud(self) -> Process:
        apps_file = self.var_dir / "demo-apps.json"
        apps = [app.settings | self._callback_addresses(app) for app in self.apps]
        apps_file.touch(mode=0o600)  # it holds the apps' secrets
        apps_file.write_text(json.dumps(apps))
        state = self.var_dir / "sandbox.json"
        options = ["--port", str(self.cloud_port), "--apps", str(apps_file), "--state", str(state)]
        return self._run("cloud", ["-m", "sandbox", "cloud", *options])

    def _callback_addresses(self, app: DemoApp) -> dict[str, str]:
        address = f"{self.web_url}/callbacks/{app.account}/"
        calls = {"agent_callback_url": f"{address}agent/"} if app.driver is ZegoApp else {}
        return {"callback_url": address, **calls}

    def _start_model(self) -> Process:
        try:
            self.model_name = model.check_installed().stem
        except model.NoModel as reason:
            return self._start_scripted_model(str(reason))
        return self._run("model", ["-m", "sandbox", "model", "--port", str(self.model_port)])

    def _start_scripted_model(self, reason: str) -> Process:
        say(f"No real model ({reason}): a scripted one answers instead.")
        self.model_name = "scripted"
        command = ["-m", "sandbox", "scripted-model", "--port", str(self.model_port)]
        return self._run("scripted-model", command)

    def _wait_for_model(self, language_model: Process) -> None:
        try:
            language_model.wait_for_url(START_TIMEOUT_S)
        except ProcessFailed as failure:
            if self.model_name == "scripted":
                raise
            language_model.stop()
            self.processes.remove(language_model)
            self._start_scripted_model(str(failure)).wait_for_url(START_TIMEOUT_S)

    def _seed(self) -> None:
        """The admin, the robots and all else that a new database lacks."""
        self._create_admin()
        self._manage("apply", str(CONNECTIONS), str(ROBOTS))
        self.keys.api_key = self._print("create_api_key", "demo", "--scope", "operate")
        self.keys.operator_password = self._print("create_operator", OPERATOR)
        self.keys.is_seeded = True
        self.keys.save(self.keys_file)

    def _create_admin(self) -> None:
        try:
            self._manage(
                "createsuperuser", "--noinput", "--username", ADMIN, "--email", f"{ADMIN}@example.com"
            )
        except ProcessFailed as failure:
            if "already taken" not in str(failure):  # by a start that was cut off
                raise

    def _print(self, *command: str) -> str:
        """What a command prints.  It is none of our processes, whose words go into a file."""
        made = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise DemoFailed(f"{command[0]} failed: {made.stderr.strip()}")
        return made.stdout.strip()

    def _manage(self, *arguments: str) -> str:
        """What the command printed."""
        command = self._run(f"manage.py {arguments[0]}", ["manage.py", *arguments])
        try:
            return command.wait_for_end()
        finally:
            if not command.is_running:
                self.processes.remove(command)

    def _run(self, name: str, command: list[str]) -> Process:
        log = self.logs / f"{name.replace(' ', '-')}.log"
        process = Process(name, command, log=log, environment=self._environment())
        self.processes.append(process)
        return process

    def _environment(self) -> dict[str, str]:
        environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "VAR_DIR": str(self.var_dir),
            "DRAIN_S": os.environ.get("DRAIN_S", DRAIN_S),
            "DJANGO_SUPERUSER_PASSWORD": self.keys.admin_password,
            "MODEL_API_KEY": self.keys.model_key,
            "DEMO_CLOUD_URL": self.cloud_url,
            "DEMO_MODEL_URL": self.model_url,
            "DEMO_MODEL_KEY": self.keys.model_key,
            "DEMO_MODEL_NAME": self.model_name,
        }
        for app in self.apps:
            environment |= app.environment
        return environment

    def _wait_until_ready(self, server: Process) -> None:
        ends_at = time.monotonic() + START_TIMEOUT_S
        answer = "nothing"
        while time.monotonic() < ends_at:
            server.check()
            try:
                response = httpx.get(f"{self.web_url}/readyz", timeout=5, trust_env=False)
                if response.status_code == 200:
                    return
                answer = f"{response.status_code} {response.text}"
            except httpx.HTTPError as error:
                answer = type(error).__name__
            time.sleep(0.1)
        raise DemoFailed(f"Parley was not ready within {START_TIMEOUT_S:.0f} s: /readyz says {answer}")

    # Run

    def describe(self) -> str:
        lines = [
            ("Chat page", f"{self.cloud_url}/", "write to the robots as a user, alone or in a group"),
            ("Call page", f"{self.cloud_url}/call?parley={self.web_url}", "call Zoe; speech is text"),
            ("Admin", f"{self.web_url}/admin/", f"user {ADMIN}, password {self.keys.admin_password}"),
            *self._describe_console(),
            ("API", f"{self.web_url}/api/docs/", f"key {self.keys.api_key}"),
            ("Callbacks", "", ""),
            *(("", f"{self.web_url}/callbacks/{app.account}/", f"from {app.label}") for app in self.apps),
            ("Model", f"{self.model_url}/v1", f"{self.model_name}, key {self.keys.model_key}"),
            ("Health", f"{self.web_url}/readyz", ""),
            ("Logs", str(self.logs), ""),
        ]
        width = max(len(address) for _, address, _ in lines)
        block = "\n".join(
            f"  {what:<10} {address:<{width}}  {note}".rstrip() for what, address, note in lines
        )
        return (
            f"\nParley is running.\n\n{block}\n\nCtrl-C stops everything; the data stays in {self.var_dir}.\n"
        )

    def _describe_console(self) -> list[tuple[str, str, str]]:
        if not self.keys.operator_password:  # the data is of a demo that had no operator
            return [("Console", f"{self.web_url}/console/", "as the admin")]
        login = f"user {OPERATOR}, password {self.keys.operator_password}"
        return [("Console", f"{self.web_url}/console/", login)]

    def watch(self) -> NoReturn:
        """Until a process ends.  Raises ProcessFailed."""
        while True:
            for process in self.processes:
                process.check()
            time.sleep(0.5)

    def check(self) -> bool:
        """Write to the robot of each vendor; whether all answered."""
        sandbox = Sandbox(self.cloud_url)
        try:
            answered = [self._check_app(app, sandbox) for app in self.apps]
            return all(answered)
        finally:
            sandbox.close()

    def _check_app(self, demo_app: DemoApp, sandbox: Sandbox) -> bool:
        app = demo_app.driver(sandbox, demo_app.settings)
        started = time.monotonic()
        say(f"{demo_app.label}, {CHECK_USER} to {demo_app.robot}: {CHECK_TEXT}")
        try:
            app.wait_for_robot(demo_app.robot, START_TIMEOUT_S)
            started = time.monotonic()
            key = app.send(CHECK_USER, demo_app.robot, CHECK_TEXT)
            replies = app.wait_for_reply(CHECK_USER, demo_app.robot, after=key, timeout_s=REPLY_TIMEOUT_S)
        except NoReply as reason:
            say(f"  no reply: {reason}")
            return False
        text = " ".join(reply.text for reply in replies)
        seconds = time.monotonic() - started
        frames = sum(len(reply.frames) for reply in replies)
        say(textwrap.fill(text, 100, initial_indent="  ", subsequent_indent="  "))
        say(f"  ({seconds:.1f} s, {frames} frames)")
        is_answer = bool(text.strip()) and text not in fallbacks() and replies[-1].kind != "error"
        if not is_answer:
            say("  that is no answer of the model")
        return is_answer

    # Stop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Parley first: while it drains, it needs the others."""
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for process in reversed(self.processes):
            process.stop(STOP_TIMEOUT_S)


def choose_ports(port: int) -> tuple[int, int, int]:
    """For the web, the cloud and the model.  Raises DemoFailed."""
    if not is_free(port):
        raise DemoFailed(f"Port {port} is taken. Choose another: make demo PORT={port + 100}")
    near = (each for each in range(port + 1, min(port + 100, 65536)) if is_free(each))
    try:
        return port, next(near), next(near)
    except StopIteration:
        raise DemoFailed(f"No free ports beside {port}. Choose another: make demo PORT=…") from None


def lock(path: Path) -> TextIOWrapper:
    """Held until we end, however we end.  Raises DemoFailed if another demo has it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DemoFailed(f"Another demo is running with the data in {path.parent}.") from None
    return file


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def fallbacks() -> Iterator[str]:
    """What the robots say when no model answers."""
    for robot in yaml.safe_load(ROBOTS.read_text(encoding="utf-8"))["robots"]:
        yield robot["reply"]["fallback"]


def say(text: str) -> None:
    print(text, flush=True)


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def port_wanted() -> int:
    """From PORT.  Raises DemoFailed."""
    wanted = os.environ.get("PORT") or str(DEFAULT_PORT)
    if not wanted.isdecimal() or not 0 < int(wanted) < 65534:
        raise DemoFailed(f"PORT is the number of a port, not {wanted!r}")
    return int(wanted)


def main() -> int:
    for number in STOP_SIGNALS:
        signal.signal(number, interrupt)
    is_check = os.environ.get("CHECK", "") not in ("", "0")
    var_dir = Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve()
    try:
        with Demo(port_wanted(), var_dir) as demo:
            demo.start()
            say(demo.describe())
            if is_check:
                return 0 if demo.check() else 1
            demo.watch()
    except (DemoFailed, ProcessFailed) as failure:
        say(f"\n{failure}")
        return 1
    except Interrupted:
        say("\nStopped.")
        return 1 if is_check else 0


if __name__ == "__main__":
    sys.exit(main())
