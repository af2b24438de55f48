from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from config.management.arguments import whole_number
from config.supervisor import Program, Supervisor
from config.worker import STOP_S

BACKLOG = 2048  # connections that wait while the web process starts
MARGIN_S = 5.0  # for children to end by themselves once the drain is over


class Command(BaseCommand):
    help = "Runs Parley on this machine: the web server and workers, started again when they die."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
        parser.add_argument("--port", type=whole_number(0, 65535), default=8000, help="default: %(default)s")
        parser.add_argument("--workers", type=whole_number(0), default=1, help="default: %(default)s")

    def handle(self, *args: Any, host: str, port: int, workers: int, **options: Any) -> None:
        # Until the supervisor listens to signals: leave by way of the exit handlers.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with listen(host, port) as listener:
            prepare_database()
            programs = [web(listener), *(worker(number + 1) for number in range(workers))]
            os.environ["SERVED_AT"] = address(listener).rstrip("/")  # for our children
            self.stdout.write(f"Parley is at {address(listener)}")
            self.stdout.flush()
            asyncio.run(supervise(programs, listener))


async def supervise(programs: list[Program], listener: socket.socket) -> None:
    grace_s = settings.DRAIN_S + STOP_S + MARGIN_S
    # Our copy of the socket is closed too, or callers would be let in to wait for nobody.
    await Supervisor(programs, grace_s=grace_s, on_stop=listener.close).run()


def listen(host: str, port: int) -> socket.socket:
    """The socket is ours, so that callers wait rather than fail while a new web process starts."""
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family, backlog=BACKLOG)
    except socket.gaierror as error:
        raise CommandError(f"cannot listen at {host}: {error.strerror}") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)  # `strerror` says where once more
        raise CommandError(f"cannot listen at {host}, port {port}: {reason}") from None


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def prepare_database() -> None:
    """The embedded database is this machine's alone: it is brought up to date here, and kept running as
    long as this process lives.  Another is migrated by whoever deploys; /readyz tells if they have not."""
    if "DATA_DIR" in connection.settings_dict:
        call_command("migrate", interactive=False, verbosity=0)
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]


def web(listener: socket.socket) -> Program:
    descriptor = listener.fileno()
    return Program(name="web", command=manage("web", f"--fd={descriptor}"), files=(descriptor,))


def worker(number: int) -> Program:
    return Program(name=f"worker {number}", command=manage("work", "--supervised", "--skip-checks"))


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
