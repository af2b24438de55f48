"""Real servers and processes: who starts them, who stops them, and what a kill leaves behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from config.postgresql import places
from config.postgresql.server import Server, server_for

from .conftest import ROOT, Place, has_ended, needs_root, skip_where_others_cannot_run_python, wait_until


def test_first_user_starts_it_and_last_one_stops_it(any_place: Place) -> None:
    users = [any_place.enter() for _ in range(3)]
    servers = {user.server().pid for user in users}
    server = psutil.Process(*servers)

    for user in users:
        assert server.is_running()
        user.leave()

    assert not any_place.pid_file.exists()
    assert has_ended(server)


def test_first_users_who_come_at_once_share_one_server(new_place: Place) -> None:
    users = [new_place.enter() for _ in range(3)]

    assert len({user.server().pid for user in users}) == 1


def test_users_who_leave_at_once_leave_nothing_running(place: Place) -> None:
    users = [place.enter() for _ in range(4)]
    for user in users:
        user.server()

    for user in users:
        assert user.popen.stdin
        user.popen.stdin.close()

    assert [user.popen.wait(20) for user in users] == [0] * 4
    assert not place.pid_file.exists()


def test_server_whose_user_was_killed_serves_the_next(any_place: Place) -> None:
    killed = any_place.enter()
    server = killed.server()
    killed.kill()

    successor = any_place.enter()

    assert successor.server() == server
    successor.leave()
    assert not any_place.pid_file.exists()


def test_starts_after_everything_was_killed(any_place: Place) -> None:
    killed = any_place.enter()
    server = killed.server()
    killed.kill()
    server.kill()
    wait_until(lambda: Server(any_place.data_dir).process() is None)
    assert any_place.pid_file.exists()

    assert any_place.enter().server().pid != server.pid


@pytest.mark.parametrize("stale", ["postmaster.pid", ".s.PGSQL.5432.lock"])
def test_starts_though_the_old_pid_is_another_process_now(place: Place, stale: str) -> None:
    user = place.enter()
    user.server()
    lock_file = place.data_dir / stale
    words = lock_file.read_text().splitlines()
    user.leave()
    lock_file.write_text("\n".join([str(os.getpid()), *words[1:], ""]))
    os.chown(lock_file, place.data_dir.stat().st_uid, -1)

    assert place.enter().server().name() == "postgres"


def test_starts_after_a_kill_in_the_middle_of_making_the_data(new_place: Place) -> None:
    killed = new_place.enter()
    wait_until(lambda: list(new_place.var_dir.glob("postgres.new-*/base")))
    killed.kill()
    assert not new_place.data_dir.exists()

    new_place.enter().server()

    assert not list(new_place.var_dir.glob("postgres.new-*"))


def test_server_that_died_is_started_again_for_its_users(place: Place) -> None:
    server = server_for(place.data_dir)
    server.ensure_running()
    first = server.process()
    assert first
    first.kill()
    wait_until(lambda: server.process() is None)

    def new_process() -> psutil.Process | None:
        server.ensure_running()
        return server.process()

    wait_until(new_process)  # it looks once a second
    server.leave()
    assert not place.pid_file.exists()


def test_forked_child_does_not_take_the_server_along(place: Place) -> None:
    script = """
import os, sys
from pathlib import Path
from config.postgresql.server import server_for
server = server_for(Path(sys.argv[1]))
server.ensure_running()
if os.fork() == 0:
    sys.exit()  # runs the exit handlers
os.wait()
print(server.process() is not None)
"""
    command = [sys.executable, "-c", script, str(place.data_dir)]
    assert subprocess.check_output(command, cwd=ROOT, text=True) == "True\n"


def test_a_long_path_moves_the_socket_to_a_private_folder(home: Path, ordinary_place: Place) -> None:
    folder = home / ("deep-" * 30)
    ordinary_place.var_dir = ordinary_place.var_dir.rename(folder)
    user = ordinary_place.enter()
    user.server()
    socket_dir = places.socket_dir_of(ordinary_place.data_dir)

    found = socket_dir.stat()
    assert socket_dir != ordinary_place.data_dir
    assert stat.S_IMODE(found.st_mode) == 0o700
    assert found.st_uid == ordinary_place.data_dir.stat().st_uid
    user.leave()
    assert not socket_dir.exists()


def test_a_socket_folder_that_others_could_enter_is_refused(home: Path, place: Place) -> None:
    place.var_dir = place.var_dir.rename(home / ("deep-" * 30))
    socket_dir = places.socket_dir_of(place.data_dir)
    socket_dir.mkdir(mode=0o777)

    with pytest.raises(AssertionError, match=f"cannot use {socket_dir}, which is somebody else's"):
        place.enter().server()
    socket_dir.rmdir()


def test_odd_characters_in_the_path_do_no_harm(home: Path, new_place: Place) -> None:
    skip_where_others_cannot_run_python()  # the programs would lie in that path, and initdb uses a shell
    new_place.var_dir = home / """it's "50%", $HOME; \\ `id` """

    new_place.enter().server()


def test_a_data_folder_that_does_not_start_is_told_in_one_line(place: Place) -> None:
    place.enter().server()
    place.users[0].leave()
    (place.data_dir / "PG_VERSION").write_text("9.1\n")

    with pytest.raises(AssertionError, match=r"does not start: .*incompatible with server \(more in .*log\)"):
        place.enter().server()


def test_keeps_what_is_committed(place: Place) -> None:
    place.enter().server()
    server = Server(place.data_dir)
    parameters = {"host": str(server.socket_dir), "port": "5432", "user": "parley", "dbname": "parley"}

    with psycopg.connect(**parameters) as connection:  # type: ignore[arg-type]
        names = ("fsync", "synchronous_commit", "full_page_writes", "listen_addresses", "server_encoding")
        values = [connection.execute(f"SHOW {name}").fetchone() for name in names]

    assert values == [("on",), ("on",), ("on",), ("",), ("UTF8",)]


@needs_root
def test_other_users_cannot_connect(place: Place) -> None:
    place.enter().server()
    socket = place.data_dir / ".s.PGSQL.5432"
    script = f"""
import os, socket
os.setuid(65534)
try:
    socket.socket(socket.AF_UNIX).connect({str(socket)!r})
except PermissionError:
    print("refused")
"""
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "refused\n"


@needs_root
def test_root_helps_the_folders_owner_and_does_not_lock_them_out(ordinary_place: Place) -> None:
    owner = ordinary_place.enter()
    owner.server()
    owner.leave()
    uid, ordinary_place.uid = ordinary_place.uid, ""
    root = ordinary_place.enter()
    server = root.server()
    ordinary_place.uid = uid

    assert server.uids().real == int(uid)
    assert ordinary_place.enter().server() == server


@needs_root
def test_root_keeps_the_data_elsewhere_if_the_folder_is_closed(home: Path, new_place: Place) -> None:
    home.chmod(0o700)

    first, second = new_place.enter(), new_place.enter()

    assert first.server() == second.server()
    assert new_place.data_dir.parts[:3] == ("/", "var", "lib")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    told = first.leave() + second.leave()
    assert told.count("is closed to other users, so the database is in /var/lib/parley-") == 1


@needs_root
def test_root_copies_the_programs_if_theirs_is_a_closed_folder(tmp_path: Path, place: Place) -> None:
    package = places.package_dir()
    tmp_path.chmod(0o700)
    for part in (package, package.with_name(f"{package.name}.libs")):
        (tmp_path / part.name).symlink_to(part)
    place.environ = {"PYTHONPATH": str(tmp_path)}

    user = place.enter()

    assert user.server().exe().startswith(str(place.var_dir / "programs-"))
    assert "PostgreSQL's programs were copied to" in user.leave()


@needs_root
def test_works_for_root_without_the_right_to_look_at_others(place: Place) -> None:
    command = ["setpriv", "--bounding-set=-sys_ptrace", sys.executable, "-m", "tests.config.postgresql.user"]
    script = [*command, str(place.var_dir)]
    place.enter().server()

    done = subprocess.run(script, cwd=ROOT, input="", text=True, capture_output=True)

    assert done.stdout.strip() == place.pid_file.read_text().split()[0], done.stderr
