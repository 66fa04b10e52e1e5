"""The containers' files by the rules of others: hadolint, compose's schema, Kubernetes', its operator's."""

import subprocess
from pathlib import Path

import pytest

from tests.docker.linters import installed

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def lint(tool: str, *words: str | Path) -> None:
    """Run one; it must have nothing to say."""
    done = subprocess.run([installed() / tool, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cpu"])
def test_hadolint_has_nothing_to_say(name: str) -> None:
    lint("hadolint", DOCKER / name)


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml", "compose.servers.yaml"])
def test_compose_file_is_of_its_schema(name: str) -> None:
    lint("python", "-c", COMPOSE, DOCKER / name)


@pytest.mark.parametrize("name", ["kubernetes.yaml", "kubernetes.replicas.yaml"])
def test_manifest_is_of_kubernetes_schemas_without_one_field_more(name: str) -> None:
    lint("kubernetes-validate", "--strict", "--no-warn", DOCKER / name)


def test_service_monitor_is_of_the_operators_schema_without_one_field_more() -> None:
    lint("python", "-c", MONITOR, DOCKER / "kubernetes.yaml")


COMPOSE = """
import pathlib, sys
from compose_spec import PyCompose
PyCompose.from_yaml(pathlib.Path(sys.argv[1]).read_text())
"""
MONITOR = """
import sys, yaml
from cloudcoil.models.prometheus_operator.v1 import ServiceMonitor
(given,) = (d for d in yaml.safe_load_all(open(sys.argv[1])) if d["kind"] == "ServiceMonitor")
read = ServiceMonitor.model_validate(given).model_dump(mode="json", by_alias=True, exclude_unset=True)
def lost(given, read, path):
    if isinstance(given, dict):
        for key, value in given.items():
            assert key in read, f"{path}.{key} is no field"
            lost(value, read[key], f"{path}.{key}")
    elif isinstance(given, list):
        for at, value in enumerate(given):
            lost(value, read[at], f"{path}[{at}]")
lost(given, read, "")
"""
