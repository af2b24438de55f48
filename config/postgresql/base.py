"""Django's PostgreSQL backend, for the embedded server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base, client

from config import embedded


class DatabaseClient(client.DatabaseClient):
    executable_name = str(embedded.package_dir() / "pginstall18" / "bin" / "psql")

    def runshell(self, parameters: list[str]) -> None:
        self.connection.get_connection_params()
        super().runshell(parameters)


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """Whoever asks where to connect (Django, its pool, procrastinate) finds a running server there."""
        embedded.server_for(Path(self.settings_dict["DATA_DIR"])).ensure_running()
        return super().get_connection_params()
