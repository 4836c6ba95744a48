"""The files in docs/deploy, as far as they can be checked without a cluster."""

import re
import shlex
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import check_command

from server.settings import Settings

FOLDER = Path(__file__).parents[2] / "docs" / "deploy"
IMAGE = "espalier:0.1.0"
HOME = "/srv/espalier"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "compose.yaml").read_text()))


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text()))


def pods(manifests: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for manifest in manifests:
        match manifest["kind"]:
            case "Deployment":
                yield manifest["spec"]["template"]["spec"]
            case "RayCluster":
                groups = manifest["spec"]["workerGroupSpecs"]
                for group in (manifest["spec"]["headGroupSpec"], *groups):
                    yield group["template"]["spec"]


def containers(manifests: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for pod in pods(manifests):
        yield from (*pod.get("initContainers", ()), *pod["containers"])


def check_environment(environment: dict[str, str]) -> None:
    """Each variable of ours is a setting."""
    names = {name.removeprefix("ESPALIER_").lower() for name in environment if "ESPALIER" in name}
    assert names <= set(Settings.model_fields), names
    assert environment.get("ESPALIER_HOME") == HOME


def test_services_run_commands_that_there_are_with_settings_that_there_are(
    compose: dict[str, Any],
) -> None:
    ours = {name: s for name, s in compose["services"].items() if s["image"] == IMAGE}
    assert set(ours) == {"upgrade", "api", "runner", "ray"}
    for name, service in ours.items():
        check_environment(service["environment"])
        assert service["volumes"] == [f"home:{HOME}"]
        if name != "ray":
            check_command(service["command"])
        assert set(service.get("depends_on", ())) <= set(compose["services"])
    assert {"home", "database"} == set(compose["volumes"])


def test_services_meet_at_the_same_ports(compose: dict[str, Any]) -> None:
    services = compose["services"]
    port = services["api"]["environment"]["ESPALIER_PORT"]
    assert services["api"]["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f"127.0.0.1:{port}/livez" in services["api"]["healthcheck"]["test"][-1]
    assert services["runner"]["environment"]["RAY_ADDRESS"] == "ray:6379"
    assert "--port=6379" in services["ray"]["command"]
    url = services["api"]["environment"]["ESPALIER_DATABASE_URL"]
    assert url.endswith("@postgres:5432/espalier")
    assert not re.search(r"POSTGRES_PASSWORD(?!:\?)", url)  # there is no default password


def test_the_settings_of_the_services_are_valid(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            if name.startswith("ESPALIER_"):
                monkeypatch.setenv(name, re.sub(r"\$\{[^}]*\}", "secret", value))
    settings = Settings()
    assert (settings.host, settings.require_keys) == ("0.0.0.0", True)
    assert not settings.is_sqlite


def test_pods_run_commands_that_there_are_and_share_the_folder(
    manifests: list[dict[str, Any]],
) -> None:
    found = list(containers(manifests))
    assert len(found) == 5
    for container in found:
        environment = {e["name"]: e.get("value", "secret") for e in container["env"]}
        check_environment(environment)
        assert container["image"] == IMAGE
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == [HOME]
        if container["name"] != "ray":
            check_command(container["command"])
    for pod in pods(manifests):
        (volume,) = pod["volumes"]
        assert volume["persistentVolumeClaim"] == {"claimName": "espalier-home"}
    (claim,) = (m for m in manifests if m["kind"] == "PersistentVolumeClaim")
    assert claim["metadata"]["name"] == "espalier-home"
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_pods_name_secrets_addresses_and_labels_that_there_are(
    manifests: list[dict[str, Any]],
) -> None:
    by_kind = {m["kind"]: m for m in manifests}
    secrets = by_kind["Secret"]
    for container in containers(manifests):
        for entry in container["env"]:
            if "valueFrom" in entry:
                reference = entry["valueFrom"]["secretKeyRef"]
                assert reference["name"] == secrets["metadata"]["name"]
                assert reference["key"] in secrets["stringData"]
    cluster = by_kind["RayCluster"]
    assert cluster["spec"]["rayVersion"] == version("ray")
    # KubeRay names the head's Service after the cluster.
    address = f"{cluster['metadata']['name']}-head-svc:6379"
    runner = next(c for c in containers(manifests) if c["name"] == "runner")
    assert {"name": "RAY_ADDRESS", "value": address} in runner["env"]
    deployments = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "Deployment"}
    for name, deployment in deployments.items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels == {"app": name}
        assert deployment["spec"]["template"]["spec"]["enableServiceLinks"] is False
    service = by_kind["Service"]["spec"]
    assert service["selector"]["app"] in deployments
    api = next(c for c in containers(manifests) if c["name"] == "api")
    assert [p["targetPort"] for p in service["ports"]] == [p["name"] for p in api["ports"]]
    assert str(api["ports"][0]["containerPort"]) in api["command"]


def test_the_image_holds_every_package_and_starts_what_there_is() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    root = FOLDER.parents[1]
    for words in (line.split() for line in text.splitlines() if line.startswith("COPY")):
        assert all((root / source).exists() for source in words[1:-1]), words
    for package in ("search_space", "supernet", "searchers", "workers", "server"):
        assert f"COPY {package} {package}\n" in text
    (command,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    check_command(yaml.safe_load(command))
    assert f"{HOME}\n" in text.replace(" \\\n", "\n")


def test_the_instructions_name_commands_that_there_are() -> None:
    text = (FOLDER / "README.md").read_text()
    assert text.index("run --rm upgrade\n") < text.index("espalier key create")  # tables first
    commands = re.findall(r"^\$ .*?(espalier key .*)$", text, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        check_command(shlex.split(command))
    for name in re.findall(r"docs/deploy/([\w.]+\.yaml)", text):
        assert (FOLDER / name).exists()
    for name in re.findall(r"ESPALIER_([A-Z_]+)", text):
        assert name.lower() in Settings.model_fields
