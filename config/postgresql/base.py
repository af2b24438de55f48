"""Django's PostgreSQL backend, for the embedded server."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from django.db import OperationalError
from django.db.backends.postgresql import base, client

from config.postgresql import places
from config.postgresql.server import Server, server_for


class DatabaseClient(client.DatabaseClient):
    executable_name = str(places.programs_in(places.package_dir()) / "psql")

    def runshell(self, parameters: Iterable[str]) -> None:
        self.connection.get_connection_params()
        super().runshell(parameters)


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    @cached_property
    def _server(self) -> Server:
        return server_for(Path(self.settings_dict["DATA_DIR"]))

    def get_connection_params(self) -> dict[str, Any]:
        """Whoever asks where to connect (Django, its pool, procrastinate) finds a running server there."""
        try:
            self._server.ensure_running()
        except places.ServerFailed as error:
            if self._server.has_answered:
                raise OperationalError(str(error)) from error
            raise SystemExit(f"parley: {error}") from None  # one line ends what cannot start
        return super().get_connection_params()
