from __future__ import annotations

import subprocess
from pathlib import Path

from .test_find_python import ROOT, add_program


def get_chromium(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", ROOT / "bin" / "get-chromium"], env={"PATH": str(folder)}, text=True, capture_output=True
    )


def test_does_nothing_where_it_is_installed(tmp_path: Path) -> None:
    add_program(tmp_path, "chromium", "#!/bin/sh\n")

    done = get_chromium(tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_root_installs_it(tmp_path: Path) -> None:
    add_program(tmp_path, "id", "#!/bin/sh\necho 0\n")
    add_program(tmp_path, "apt-get", f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n')

    get_chromium(tmp_path)

    update, install = (tmp_path / "calls").read_text().splitlines()
    assert update.endswith("update")
    assert install.endswith("chromium")


def test_says_what_is_skipped_where_it_cannot_be_installed(tmp_path: Path) -> None:
    add_program(tmp_path, "id", "#!/bin/sh\necho 1000\n")
    add_program(tmp_path, "apt-get", "#!/bin/sh\nexit 1\n")
    as_user = get_chromium(tmp_path)
    add_program(tmp_path, "id", "#!/bin/sh\necho 0\n")
    as_root_offline = get_chromium(tmp_path)

    assert as_user.returncode == as_root_offline.returncode == 0
    assert "only root can install it" in as_user.stderr
    assert as_root_offline.stderr == "parley: apt-get update failed; the browser tests are skipped\n"
