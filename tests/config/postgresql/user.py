"""A process that uses the server of the folder it is given until its standard input ends.

`user.py VAR_DIR [UID]`; it prints the server's pid.  With a UID it first becomes that user, after all
imports, for the interpreter may lie where only root can read.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401
import os
import sys
from pathlib import Path

from config.postgresql import places
from config.postgresql.server import server_for


def main(var_dir: str, uid: str = "") -> None:
    if uid:
        os.setgroups([])
        os.setgid(int(uid))
        os.setuid(int(uid))
    server = server_for(places.data_dir_in(Path(var_dir)))
    try:
        server.ensure_running()
    except places.ServerFailed as error:
        sys.exit(str(error))
    process = server.process()
    assert process is not None
    sys.stdout.write(f"{process.pid}\n")
    sys.stdout.flush()
    sys.stdin.read()


main(*sys.argv[1:])
