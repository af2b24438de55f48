from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from config.postgresql.places import data_dir_in, is_reachable, package_dir, programs_in, socket_dir_of
from config.postgresql.server import Server
from tests.conftest import MEMORY

ROOT = Path(__file__).parents[3]
IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can act as several users")


def skip_where_others_cannot_run_python() -> None:
    """A checkout below /root, say, is its owner's alone."""
    if IS_ROOT and not is_reachable(programs_in(package_dir())):
        pytest.skip("only root can reach this checkout's .venv")


def wait_until(condition: Callable[[], object]) -> None:
    give_up_at = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up_at, "waited in vain"
        time.sleep(0.01)


def has_ended(process: psutil.Process) -> bool:
    """Whether nothing is left but perhaps an entry that nobody has asked for."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


class User:
    """A process that uses the server until it is told to leave, or killed."""

    def __init__(self, var_dir: Path, uid: str, environ: dict[str, str]) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "tests.config.postgresql.user", str(var_dir), *filter(None, [uid])],
            cwd=ROOT,
            env={**os.environ, **environ},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def server(self) -> psutil.Process:
        """The server that this user found or started."""
        assert self.popen.stdout
        line = self.popen.stdout.readline()
        assert line, self.popen.communicate()[1]
        return psutil.Process(int(line))

    def leave(self) -> str:
        """Ends the user as usual; what it had to say."""
        told = self.popen.communicate()[1]
        assert self.popen.returncode == 0, told
        return told

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        with self.popen:
            pass


@dataclass
class Place:
    """A folder for a server, and the users who come and go."""

    var_dir: Path
    uid: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    users: list[User] = field(default_factory=list)

    def enter(self) -> User:
        self.users.append(User(self.var_dir, self.uid, self.environ))
        return self.users[-1]

    @property
    def data_dir(self) -> Path:
        return data_dir_in(self.var_dir)

    @property
    def pid_file(self) -> Path:
        return self.data_dir / "postmaster.pid"

    def clear(self) -> None:
        for user in self.users:
            user.kill()
        data_dir = self.data_dir
        if process := Server(data_dir).process():
            process.kill()
            wait_until(lambda: has_ended(process))
        if (socket_dir := socket_dir_of(data_dir)) != data_dir:
            shutil.rmtree(socket_dir, ignore_errors=True)
        if data_dir.parent != self.var_dir:
            shutil.rmtree(data_dir.parent)


@pytest.fixture
def home(open_path: Path) -> Path:
    """Where somebody keeps a checkout of Parley."""
    return open_path


@pytest.fixture
def new_place(home: Path) -> Iterator[Place]:
    """A folder where no server has been yet."""
    place = Place(home / "var")
    yield place
    place.clear()


@pytest.fixture
def place(new_place: Place, data: Path) -> Place:
    """A folder with a database's data."""
    new_place.var_dir.mkdir(mode=0o755)
    subprocess.run(["cp", "-a", data, new_place.data_dir], check=True)
    return new_place


@pytest.fixture
def ordinary_place(home: Path, place: Place) -> Place:
    """A folder of somebody who is not root, with a database's data."""
    if IS_ROOT:
        skip_where_others_cannot_run_python()
        nobody = pwd.getpwnam("nobody")
        subprocess.run(["chown", "-R", f"{nobody.pw_uid}:{nobody.pw_gid}", home], check=True)
        place.uid = str(nobody.pw_uid)
    return place


@pytest.fixture(params=["place", pytest.param("ordinary_place", marks=needs_root)])
def any_place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def data() -> Iterator[Path]:
    """A data folder to copy, for making one takes seconds."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="parley-test-") as home:
        Path(home).chmod(0o755)
        server = Server(Path(home, "postgres"))
        server.ensure_running()
        server.leave()
        yield server.data_dir
