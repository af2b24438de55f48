from __future__ import annotations

import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config import supervisor, web


class Command(BaseCommand):
    help = "The web server alone, on a socket that `serve` hands over.  Not for people."
    requires_system_checks = ()  # `serve` did them

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fd", type=int, required=True, help="descriptor of the listening socket")

    def handle(self, *args: Any, fd: int, **options: Any) -> None:
        supervisor.end_with_parent()
        web.serve(socket.socket(fileno=fd))
