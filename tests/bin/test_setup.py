from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from .test_find_python import ROOT, add_program

# Plays both the Python that is found and the one in .venv: writes down its calls, does as it is told.
FAKE_PYTHON = """#!/bin/sh
echo "$*" >> {folder}/calls
case "$*" in
    "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *"$(cat {folder}/failing)"*) exit 1 ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    for part in ("", "-sandbox", "-dev", "-demo"):
        (tmp_path / f"requirements{part}.txt").write_text(f"{part}==1\n")
    python = add_program(tmp_path, "fake-python", FAKE_PYTHON.format(folder=tmp_path))
    add_program(tmp_path / "bin", "find-python", f"#!/bin/sh\necho {python}\n")
    (tmp_path / "failing").write_text("nothing")
    return tmp_path


def setup(checkout: Path, *parts: str) -> tuple[int, list[str], str]:
    """Its exit code, the calls of pip and venv, and what it complained of."""
    (checkout / "calls").write_text("")
    done = subprocess.run([checkout / "bin" / "setup", *parts], text=True, capture_output=True)
    calls = [line for line in (checkout / "calls").read_text().splitlines() if line.startswith("-m ")]
    return done.returncode, calls, done.stderr


def test_installs_what_is_locked_once(checkout: Path) -> None:
    _, first, _ = setup(checkout, "dev")
    _, again, _ = setup(checkout, "dev")

    venv, run, dev = first
    assert venv.startswith("-m venv")
    assert run.endswith("--require-hashes -r requirements.txt -r requirements-sandbox.txt")
    assert dev.endswith("--require-hashes -r requirements-dev.txt")
    assert again == []


def test_installs_again_when_a_lock_has_changed(checkout: Path) -> None:
    setup(checkout)
    (checkout / "requirements.txt").write_text("other==2\n")

    assert len(setup(checkout)[1]) == 1


def test_makes_a_broken_venv_anew(checkout: Path) -> None:
    setup(checkout)
    (checkout / ".venv" / "bin" / "python").unlink()

    _, calls, _ = setup(checkout)

    assert calls[0] == "-m venv --clear .venv"


def test_stops_at_an_installation_that_failed_and_tries_it_again(checkout: Path) -> None:
    (checkout / "failing").write_text("-r requirements.txt")
    code, calls, _ = setup(checkout, "dev")
    (checkout / "failing").write_text("nothing")

    assert code != 0
    assert not any("requirements-dev.txt" in call for call in calls)
    assert len(setup(checkout, "dev")[1]) == 2


def test_does_without_the_model_if_need_be(checkout: Path) -> None:
    (checkout / "failing").write_text("-r requirements-demo.txt")

    code, _, complaint = setup(checkout, "model")

    assert code == 0
    assert complaint == (
        "parley: the demo's language model cannot be installed here; its robots answer from a script\n"
    )
