from __future__ import annotations

from pathlib import Path

import pytest

from config import backups
from config.backups import CannotDoIt


def test_what_is_no_backup_is_not_restored(tmp_path: Path) -> None:
    with pytest.raises(CannotDoIt, match=r"it has no database\.dump"):
        backups.check_readable(tmp_path)

    (tmp_path / "database.dump").write_bytes(b"PGDMP, but broken off")
    with pytest.raises(CannotDoIt, match="pg_restore: "):
        backups.check_readable(tmp_path)


def test_a_backup_is_never_written_over(tmp_path: Path) -> None:
    with pytest.raises(CannotDoIt, match="is there already"):
        backups.back_up(tmp_path, secrets=tmp_path / "secrets")


def test_secrets_are_put_back_and_those_in_their_place_stay_beside(tmp_path: Path) -> None:
    backup, secrets = tmp_path / "backup", tmp_path / "secrets"
    (backup / "secrets").mkdir(parents=True)
    secrets.mkdir()
    (backup / "secrets" / "credentials_key").write_text("old")
    (secrets / "credentials_key").write_text("new")

    assert backups.restore_secrets(backup, secrets=secrets) == ["credentials_key"]

    assert {path.name: path.read_text() for path in secrets.iterdir()} == {
        "credentials_key": "old",
        "credentials_key.replaced": "new",
    }
