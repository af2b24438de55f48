"""The files that `docs/deploy.md` hands out say nothing that Parley does not know."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from config.management.commands.serve import MARGIN_S
from config.worker import STOP_S

DEPLOY: Path = settings.BASE_DIR / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
FILES = [
    *UNITS,
    settings.BASE_DIR / "Dockerfile",
    settings.BASE_DIR / "compose.yaml",
    DEPLOY / "kubernetes.yaml",
    settings.BASE_DIR / "docs/deploy.md",
]
FOREIGN = {"PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
KUBERNETES = "1.33"  # whose schema the files are held against
LEAST_STOP_S = 20 + STOP_S + MARGIN_S  # with DRAIN_S as it is by default


def unit(path: Path) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser["Service"]


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((settings.BASE_DIR / "compose.yaml").read_text())["services"]
    return services


def kubernetes() -> dict[tuple[str, str], dict[str, Any]]:
    """By kind and name."""
    resources = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    return {(each["kind"], each["metadata"]["name"]): each for each in resources}


def pod(resource: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = resource["spec"]["template"]["spec"]
    return spec


def known_variables() -> set[str]:
    return set(re.findall(r"^#(\w+)=", (settings.BASE_DIR / ".env.example").read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_commands_that_are_named_exist(path: Path) -> None:
    named = set(re.findall(r"manage\.py[\", ]+([a-z_]+)", path.read_text()))

    assert named
    assert named <= set(get_commands())


def test_variables_that_are_set_are_known() -> None:
    set_by_units = {name for path in UNITS for name in re.findall(r"(\w+)=", unit(path)["Environment"])}
    [line] = re.findall(r"^ENV (.*)$", (settings.BASE_DIR / "Dockerfile").read_text(), flags=re.MULTILINE)
    set_by_image = set(re.findall(r"(\w+)=", line)) - FOREIGN

    assert set_by_units | set_by_image | set(compose()["web"]["environment"]) <= known_variables()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_let_replies_end(path: Path) -> None:
    assert float(unit(path)["TimeoutStopSec"]) > LEAST_STOP_S


@pytest.mark.parametrize("name", ["web", "worker"])
def test_containers_let_replies_end(name: str) -> None:
    assert float(compose()[name]["stop_grace_period"].removesuffix("s")) > LEAST_STOP_S


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_units(path: Path, tmp_path: Path) -> None:
    here = path.read_text().replace("/opt/parley/.venv/bin/python", sys.executable)
    copy = tmp_path / path.name
    copy.write_text(here.replace("/opt/parley", str(tmp_path)))

    verdict = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False
    )

    complaints = [line for line in verdict.stderr.splitlines() if path.name in line]
    assert (verdict.returncode, complaints) == (0, [])


@pytest.mark.parametrize("kind, name", kubernetes())
def test_kubernetes_knows_what_is_asked_of_it(kind: str, name: str) -> None:
    kubernetes_validate.validate(kubernetes()[kind, name], KUBERNETES, strict=True)


def test_pods_let_replies_end_and_know_their_variables() -> None:
    resources = kubernetes()
    web, worker = (pod(resources["Deployment", f"parley-{part}"]) for part in ("web", "worker"))
    sleep_s = web["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert web["terminationGracePeriodSeconds"] - sleep_s > LEAST_STOP_S
    assert worker["terminationGracePeriodSeconds"] > LEAST_STOP_S
    assert set(resources["ConfigMap", "parley"]["data"]) <= known_variables()


def test_one_version_runs_everywhere_and_probes_come_by_a_name_that_is_answered() -> None:
    resources = kubernetes()
    pods = [pod(each) for (kind, _), each in resources.items() if kind in {"Deployment", "Job"}]
    containers = [container for each in pods for container in each["containers"]]
    probes = [container[name] for container in containers for name in container if name.endswith("Probe")]
    hosts = {header["value"] for probe in probes for header in probe["httpGet"]["httpHeaders"]}

    assert len({container["image"] for container in containers}) == 1
    assert hosts == {resources["ConfigMap", "parley"]["data"]["ALLOWED_HOSTS"]}
