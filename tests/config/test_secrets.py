from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from config import secrets
from config.environment import WrongValue


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "key"

    first, second = secrets.kept_in(path), secrets.kept_in(path)

    assert first == second
    assert len(first) > 60
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_those_who_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    path, all_there = tmp_path / "secrets" / "key", Barrier(8)

    def make() -> str:
        all_there.wait()  # each has found no secret
        return secrets.new_secret_key()

    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: secrets.kept_in(path, make), range(8)))

    assert found == {path.read_text().strip()}
    assert [file.name for file in path.parent.iterdir()] == ["key"]


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("a file")

    with pytest.raises(WrongValue, match=r"^parley: .*/secrets/key: .+; it keeps a secret"):
        secrets.kept_in(tmp_path / "secrets" / "key")


def test_without_given_keys_a_fernet_key_is_kept(tmp_path: Path) -> None:
    assert secrets.fernet_keys([], tmp_path / "key") == [(tmp_path / "key").read_text().strip()]


def test_a_wrong_key_is_told_by_its_place_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(WrongValue) as caught:
        secrets.fernet_keys([secrets.new_fernet_key(), "not-a-key"], tmp_path / "key")

    assert caught.value.code == "parley: CREDENTIALS_KEYS: key 2 is not 32 bytes in URL-safe base64"


def test_a_kept_key_that_was_spoilt_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("spoilt")

    with pytest.raises(WrongValue, match=rf"key 1 \(from {tmp_path}/key\) is not 32 bytes"):
        secrets.fernet_keys([], tmp_path / "key")
