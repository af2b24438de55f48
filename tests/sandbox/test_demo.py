from __future__ import annotations

import socket
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sandbox import demo, model
from sandbox.processes import Process, ProcessFailed
from tests.support.processes import eventually


def test_keys_are_drawn_once_and_for_their_owner_only(tmp_path: Path) -> None:
    first = demo.Keys.kept_in(tmp_path / "demo.json")
    assert demo.Keys.kept_in(tmp_path / "demo.json") == first
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(demo.DemoFailed, match=f"Port {port} is taken"):
            demo.choose_ports(port)


def test_taken_ports_beside_ours_are_passed_over(free_pair: int) -> None:
    with socket.create_server(("127.0.0.1", free_pair + 1)):
        web, cloud, language_model = demo.choose_ports(free_pair)
    assert web == free_pair
    assert free_pair + 1 < cloud < language_model


@pytest.fixture
def free_pair() -> int:
    """A port that is free, as is the next."""
    for port in range(21000, 30000, 7):
        if demo.is_free(port) and demo.is_free(port + 1):
            return port
    pytest.fail("no two free ports side by side")


@pytest.mark.parametrize("wanted", ["http", "0", "70000", "-1"])
def test_senseless_ports(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", wanted)
    with pytest.raises(demo.DemoFailed, match="PORT is the number of a port"):
        demo.port_wanted()


def test_a_model_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_MODEL_FILE", str(tmp_path / "missing.gguf"))
    with pytest.raises(model.NoModel, match=r"missing\.gguf"):
        model.weights()
    (tmp_path / "missing.gguf").touch()
    assert model.weights() == tmp_path / "missing.gguf"


def test_a_process_that_dies_at_the_start_is_told_of_with_its_last_words(tmp_path: Path) -> None:
    process = Process(
        "oracle", ["-c", "raise SystemExit('the stars are wrong')"], log=tmp_path / "oracle.log"
    )
    with pytest.raises(ProcessFailed, match=r"oracle ended with code 1.\n.*the stars are wrong"):
        process.wait_for_url(20)


def test_stopping_ends_the_whole_family(tmp_path: Path) -> None:
    """Even a child that will not hear of it."""
    deaf = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf at http://here'); signal.pause()"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-u', '-c', {deaf!r}])"
    process = Process("family", ["-c", parent], log=tmp_path / "log")
    process.wait_for_url(20)
    (child,) = psutil.Process(process.pid).children()
    process.stop(timeout_s=5)
    eventually(lambda: has_ended(child))


def has_ended(process: psutil.Process) -> bool:
    """Zombies have: where nobody is there to collect them, they stay in the list."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells children of their parent's end")
def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path; from sandbox.processes import Process;"
        f"child = Process('child', ['-m', 'sandbox', 'cloud'], log=Path({str(tmp_path / 'log')!r}));"
        "child.wait_for_url(20); print(child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    parent = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    with suppress(psutil.NoSuchProcess):
        child = psutil.Process(int(parent.stdout))
        eventually(lambda: has_ended(child))
