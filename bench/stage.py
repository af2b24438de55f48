"""The stage: a database of its own, one configured robot, and processes that keep to their core."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import django

BASE_DIR: Final = Path(__file__).resolve().parent.parent
VAR_DIR: Final = BASE_DIR / "var" / "bench"
STOP_S: Final = 40.0
BACKLOG: Final = 2048

SDK_APP_ID: Final = 1400000000
TOKEN: Final = "bench"
ACCOUNT: Final = "bench"
ROBOT: Final = "@RBT#bench"
BLOCKED: Final = ["casino", "jackpot", "加微信"]
LIMIT: Final = 10**12  # tokens a day: counted, never reached

# In the order in which they depend on one another: from a run before this one.
STALE_TABLES: Final = ("procrastinate_jobs", "procrastinate_events", "procrastinate_workers")

type Core = int | None  # None: wherever the system likes


def cores() -> tuple[Core, Core]:
    """The core for the process under test, and the one for everything else."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    first, *others = sorted(os.sched_getaffinity(0))
    return first, others[0] if others else first


SERVER_CORE, OTHER_CORE = cores()


def move_to(core: Core) -> None:
    """This thread and what it starts from now on."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def set_up() -> None:
    """Django over an embedded database that nothing else uses, beside the load."""
    move_to(OTHER_CORE)
    os.environ.update(DJANGO_SETTINGS_MODULE="config.settings", VAR_DIR=str(VAR_DIR), DATABASE_URL="")
    django.setup()

    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def clear() -> None:
    """Leave the tables as `migrate` made them."""
    from django.core.management import call_command
    from django.db import connection

    call_command("flush", interactive=False, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(STALE_TABLES)} CASCADE")
    call_command("migrate", verbosity=0)  # its last step looks at the job tables


def tencent_config(port: int) -> dict[str, Any]:
    keys = {"sdk_app_id": SDK_APP_ID, "secret_key": "bench", "callback_token": TOKEN}
    return {**keys, "api_base": f"http://127.0.0.1:{port}"}


def configure(
    *,
    vendor: str = "tencent",
    config: dict[str, Any] | None = None,
    robot: str = ROBOT,
    model_port: int = 1,
) -> None:
    """One robot that answers at once, with a cloud and a model on loopback.  Its answers are routed, screened
    and limited as an admin may want it."""
    from bots.models import Intent, LanguageModel, Policy, Robot, Route, Rule, RuleModel, Tier, VendorAccount

    account = VendorAccount(
        slug=ACCOUNT,
        vendor=vendor,
        config=config or tencent_config(port=1),
        limits={"send_per_s": 1000, "edit_per_s": 1000},  # the pace is not the subject
    )
    account.clean()
    account.save()
    model = LanguageModel.objects.create(
        slug="bench", api="openai", model="bench", base_url=f"http://127.0.0.1:{model_port}/v1"
    )
    route = Route.objects.create(slug="bench")
    Intent.objects.create(slug="refund", keywords=["refund", "money back"])
    for position, when in enumerate(({"intents": ["refund"]}, {"tiers": ["vip"]}, {})):
        rule = Rule.objects.create(route=route, position=position, when=when)
        RuleModel.objects.create(rule=rule, model=model)
    policy = Policy.objects.create(
        slug="bench",
        input_block_words=BLOCKED,
        input_mask_pii=True,
        output_block_words=BLOCKED,
        output_mask_pii=True,
    )
    Robot.objects.create(
        account=account,
        user_id=robot,
        route=route,
        policy=policy,
        default_tier=Tier.objects.create(slug="bench", daily_tokens=LIMIT),
        daily_tokens=LIMIT,
        merge_window_ms=0,
    )


def database() -> dict[str, Any]:
    """Where the database is, as psycopg wants it."""
    from django.conf import settings

    names = {"dbname": "NAME", "user": "USER", "host": "HOST", "port": "PORT"}
    return {key: settings.DATABASES["default"][name] for key, name in names.items()}


class Process:
    """A process under test; as a context manager it is ended with the block."""

    def __init__(self, name: str, command: Sequence[str], *, core: Core, files: tuple[int, ...] = ()) -> None:
        self.log = VAR_DIR / f"{name}.log"
        with on_core(core), self.log.open("wb") as log:
            self._popen = subprocess.Popen(
                [sys.executable, *command],
                cwd=BASE_DIR,
                stdin=subprocess.PIPE,  # it ends when we do
                stdout=log,
                stderr=log,
                pass_fds=files,
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._popen.terminate()
        try:
            self._popen.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.communicate()


@contextmanager
def on_core(core: Core) -> Iterator[None]:
    """What is started inside runs on this core."""
    move_to(core)
    try:
        yield
    finally:
        move_to(OTHER_CORE)


@contextmanager
def serving(name: str, command: Sequence[str], *, core: Core = SERVER_CORE) -> Iterator[int]:
    """A web server that takes over a socket; → its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        port: int = listener.getsockname()[1]
        descriptor = listener.fileno()
        server = Process(name, [*command, f"--fd={descriptor}"], core=core, files=(descriptor,))
    with server:
        yield port
