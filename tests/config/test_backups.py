from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

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
        backups.back_up(tmp_path, secrets=tmp_path / "secrets", attachments=None)


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


def test_files_come_back_beside_those_that_are_there(tmp_path: Path) -> None:
    backup, attachments = tmp_path / "backup", tmp_path / "attachments"
    for place, content in {
        backup / "attachments" / "ab" / "abc": "of the backup",
        backup / "attachments" / "ab" / ".abd": "broken off",
        attachments / "ab" / "abc": "broken off",
        attachments / "cd" / "cde": "sent since",
    }.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)

    assert backups.restore_attachments(backup, attachments=attachments) == 1

    found = {path.name: path.read_text() for path in attachments.glob("*/*")}
    assert found == {"abc": "of the backup", "cde": "sent since"}


def test_a_backup_of_before_has_no_files(tmp_path: Path) -> None:
    assert backups.restore_attachments(tmp_path, attachments=tmp_path / "attachments") == 0


def test_a_storage_that_is_no_folder_keeps_its_own_files(settings: Settings) -> None:
    other = {"attachments": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    settings.STORAGES = settings.STORAGES | other

    assert backups.attachments_dir() is None
