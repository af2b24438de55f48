from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BASE_PYTHON = Path(sys._base_executable)  # type: ignore[attr-defined]  # not the .venv's
# A Python that was moved may find its own library by this alone.
LIBRARIES = {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}
BROKEN = "#!/bin/sh\necho 'command not found' >&2\nexit 127\n"
OLD = "#!/bin/sh\nexit 1\n"  # the check failed


def add_program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(script)
    program.chmod(0o755)
    return program


def find_python(home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", ROOT / "bin" / "find-python"],
        env={**LIBRARIES, "PATH": f"{home / 'bin'}:/nowhere", "HOME": str(home), **environ},
        text=True,
        capture_output=True,
    )


def test_passes_over_shims_that_do_not_run_and_versions_that_are_too_old(tmp_path: Path) -> None:
    add_program(tmp_path / "bin", "python3.13", BROKEN)
    add_program(tmp_path / "bin", "python3.12", f'#!/bin/sh\nexec "{BASE_PYTHON}" "$@"\n')
    add_program(tmp_path / "bin", "python3", OLD)

    found = find_python(tmp_path)

    assert Path(found.stdout.strip()).samefile(BASE_PYTHON), found.stderr


def test_looks_into_pyenvs_versions(tmp_path: Path) -> None:
    add_program(tmp_path / "bin", "python3", OLD)
    versions = tmp_path / ".pyenv" / "versions"
    add_program(versions / "3.12.0" / "bin", "python3", BROKEN)
    add_program(versions / "3.13.0" / "bin", "python3", f'#!/bin/sh\nexec "{BASE_PYTHON}" "$@"\n')

    assert Path(find_python(tmp_path).stdout.strip()).samefile(BASE_PYTHON)


def test_takes_the_one_that_is_named_or_none(tmp_path: Path) -> None:
    old = add_program(tmp_path / "elsewhere", "python", OLD)

    named = find_python(tmp_path, PYTHON=str(BASE_PYTHON))
    refused = find_python(tmp_path, PYTHON=str(old))

    assert Path(named.stdout.strip()).samefile(BASE_PYTHON)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"parley: PYTHON={old} is no Python 3.12 or newer")


def test_says_in_one_line_that_there_is_none(tmp_path: Path) -> None:
    add_program(tmp_path / "bin", "python3", OLD)

    found = find_python(tmp_path)

    if not any(Path("/usr/local/bin").glob("python3.1[2-9]")):
        assert found.returncode == 1
        assert len(found.stderr.splitlines()) == 1
        assert "no Python 3.12 or newer" in found.stderr
