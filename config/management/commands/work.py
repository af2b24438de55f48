from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import supervisor, worker
from config.management.arguments import whole_number


class Command(BaseCommand):
    help = "Runs background jobs.  As many of it as you like, on as many machines as you like."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=whole_number(1),
            default=settings.WORKER_CONCURRENCY,
            help="jobs at the same time (default: WORKER_CONCURRENCY, %(default)s)",
        )
        parser.add_argument("--supervised", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, concurrency: int, supervised: bool, **options: Any) -> None:
        if supervised:
            supervisor.end_with_parent()
        if not worker.work(concurrency=concurrency):
            raise CommandError("the worker ended by itself; the log says why")
