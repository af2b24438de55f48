"""The settings as a process meets them: each case starts one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

ROOT = Path(__file__).parents[2]


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env={**os.environ, **environ}, text=True, capture_output=True
    )


SHOW_KEY = "from django.conf import settings; print(settings.SECRET_KEY)"


@pytest.mark.parametrize(
    "command",
    [
        ("manage.py", "check"),
        ("manage.py", "migrate"),
        ("manage.py", "serve"),
        ("-c", "import config.asgi"),
    ],
)
def test_a_wrong_value_ends_every_start_with_one_line(command: tuple[str, ...]) -> None:
    done = run(*command, DRAIN_S="soon")

    assert done.returncode == 1
    assert done.stderr == "parley: DRAIN_S: 'soon' is not a number of seconds, 0 or more\n"
    assert done.stdout == ""


def test_a_server_that_cannot_start_ends_with_one_line(open_path: Path) -> None:
    data_dir = open_path / "postgres"
    data_dir.mkdir(mode=0o755)
    (data_dir / "PG_VERSION").write_text("18\n")

    done = run("manage.py", "migrate", VAR_DIR=str(open_path), DATABASE_URL="")

    assert done.returncode == 1
    (told,) = [line for line in done.stderr.splitlines() if "programs were copied" not in line]
    assert told.startswith("parley: the embedded PostgreSQL does not start: ")


def test_everything_given_leaves_no_trace_in_the_folder(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

    done = run(
        "-c",
        SHOW_KEY,
        DJANGO_SETTINGS_MODULE="config.settings",
        VAR_DIR=str(var_dir),
        SECRET_KEY="given",
        CREDENTIALS_KEYS=key,
        DATABASE_URL="postgresql://user@host/name",
    )

    assert done.stdout == "given\n"
    assert not var_dir.exists()


def test_https_outside_makes_cookies_secure_and_the_host_known() -> None:
    show = (
        "from django.conf import settings as s;"
        "print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_PROXY_SSL_HEADER, s.ALLOWED_HOSTS[-1])"
    )

    done = run(
        "-c", show, DJANGO_SETTINGS_MODULE="config.settings", PUBLIC_URL="https://parley.example.com:444/"
    )

    assert done.stdout == "True True ('HTTP_X_FORWARDED_PROTO', 'https') parley.example.com\n"


@pytest.mark.django_db
def test_static_files_come_from_the_web_process(client: Client) -> None:
    response = client.get("/static/unfold/css/styles.css")

    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/css")
    assert "max-age=3600" in response["Cache-Control"]
    response.close()


def test_every_variable_is_in_the_example() -> None:
    source = (ROOT / "config" / "settings.py").read_text()
    used = set(re.findall(r'env\.\w+\(\s*"(\w+)"', source))
    example = (ROOT / ".env.example").read_text()

    assert used
    assert {name for name in used if f"\n#{name}=" not in example} == set()
